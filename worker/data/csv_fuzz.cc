// Any bytes as a CSV file (behind one byte that chooses label and header): an error, or finite
// numbers as many as the counts say.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <variant>

#include "absl/strings/string_view.h"
#include "common/base/check.h"
#include "proto/job.pb.h"
#include "worker/data/byte_source.h"
#include "worker/data/csv.h"
#include "worker/data/dataset.h"

namespace paceline {
namespace {

void Try(uint8_t choice, absl::string_view text) {
  constexpr const char* kLabels[] = {"first", "last", "y", "\"q\""};
  v1::DataFiles files;
  files.set_label(kLabels[choice % 4]);
  files.set_header(static_cast<v1::DataFiles::Header>(choice / 4 % 3));
  MemorySource source(text);
  const absl::StatusOr<Dataset> dataset = ReadCsv(&source, "fuzz", files);
  if (!dataset.ok()) return;
  const auto& values = std::get<FloatRows>(*dataset->rows).values;
  PACELINE_CHECK(dataset->samples > 0 && dataset->features > 0);
  PACELINE_CHECK(values.size() == dataset->samples * dataset->features);
  PACELINE_CHECK(dataset->labels->size() == dataset->samples);
  for (const float x : values) PACELINE_CHECK(std::isfinite(x));
  for (const float x : *dataset->labels) PACELINE_CHECK(std::isfinite(x));
}

}  // namespace
}  // namespace paceline

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t count) {
  if (count == 0) return 0;
  const absl::string_view text(reinterpret_cast<const char*>(bytes), count);
  paceline::Try(bytes[0], text.substr(1));
  return 0;
}
