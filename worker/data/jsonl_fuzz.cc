// Any bytes as a JSONL file: an error, or texts with classes, every one of which is in use.
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "common/base/check.h"
#include "proto/job.pb.h"
#include "worker/data/byte_source.h"
#include "worker/data/jsonl.h"
#include "worker/data/texts.h"

namespace paceline {
namespace {

void Try(absl::string_view text) {
  v1::DataFiles files;
  files.set_text("text");
  files.set_label("label");
  MemorySource source(text);
  std::vector<std::string> classes;
  const absl::StatusOr<Texts> texts = ReadJsonl(&source, "fuzz", files, &classes);
  if (!texts.ok()) return;
  PACELINE_CHECK(texts->samples() > 0 && texts->begin.size() == texts->samples() + 1);
  PACELINE_CHECK(texts->begin.back() == texts->bytes.size());
  PACELINE_CHECK(std::set<float>(texts->labels.begin(), texts->labels.end()).size() ==
                 classes.size());
}

}  // namespace
}  // namespace paceline

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t count) {
  paceline::Try(absl::string_view(reinterpret_cast<const char*>(bytes), count));
  return 0;
}
