// Any bytes as a TSV file (behind one byte that chooses columns and header): an error, or texts
// with classes, every one of which is in use.
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "common/base/check.h"
#include "proto/job.pb.h"
#include "worker/data/byte_source.h"
#include "worker/data/texts.h"
#include "worker/data/tsv.h"

namespace paceline {
namespace {

void Try(uint8_t choice, absl::string_view text) {
  constexpr const char* kColumns[] = {"first", "last", "x", "y"};
  v1::DataFiles files;
  files.set_text(kColumns[choice % 4]);
  files.set_label(kColumns[choice / 4 % 4]);
  files.set_header(static_cast<v1::DataFiles::Header>(choice / 16 % 3));
  MemorySource source(text);
  std::vector<std::string> classes;
  const absl::StatusOr<Texts> texts = ReadTsv(&source, "fuzz", files, &classes);
  if (!texts.ok()) return;
  PACELINE_CHECK(texts->samples() > 0 && texts->begin.size() == texts->samples() + 1);
  PACELINE_CHECK(texts->begin.back() == texts->bytes.size());
  PACELINE_CHECK(std::set<float>(texts->labels.begin(), texts->labels.end()).size() ==
                 classes.size());
  for (const float label : texts->labels) PACELINE_CHECK(label < classes.size());
}

}  // namespace
}  // namespace paceline

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t count) {
  if (count == 0) return 0;
  const absl::string_view text(reinterpret_cast<const char*>(bytes), count);
  paceline::Try(bytes[0], text.substr(1));
  return 0;
}
