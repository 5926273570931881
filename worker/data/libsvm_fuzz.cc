// Any bytes as a libsvm file (behind one byte, the count of features): an error, or finite numbers
// with ascending columns below the count of features.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <variant>

#include "absl/strings/string_view.h"
#include "common/base/check.h"
#include "worker/data/byte_source.h"
#include "worker/data/dataset.h"
#include "worker/data/libsvm.h"

namespace paceline {
namespace {

void Try(uint64_t features, absl::string_view text) {
  MemorySource source(text);
  const absl::StatusOr<Dataset> dataset = ReadLibsvm(&source, "fuzz", features);
  if (!dataset.ok()) return;
  const auto& rows = std::get<SparseRows>(*dataset->rows);
  PACELINE_CHECK(dataset->samples > 0 && dataset->features > 0);
  PACELINE_CHECK(features == 0 || dataset->features == features);
  PACELINE_CHECK(rows.begin.size() == dataset->samples + 1);
  PACELINE_CHECK(dataset->labels->size() == dataset->samples);
  PACELINE_CHECK(rows.begin.back() == rows.columns.size());
  PACELINE_CHECK(rows.values.size() == rows.columns.size());
  for (uint64_t row = 0; row < dataset->samples; ++row) {
    PACELINE_CHECK(std::isfinite((*dataset->labels)[row]));
    for (uint64_t k = rows.begin[row]; k < rows.begin[row + 1]; ++k) {
      PACELINE_CHECK(rows.columns[k] < dataset->features && std::isfinite(rows.values[k]));
      PACELINE_CHECK(k == rows.begin[row] || rows.columns[k - 1] < rows.columns[k]);
    }
  }
}

}  // namespace
}  // namespace paceline

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t count) {
  if (count == 0) return 0;
  const absl::string_view text(reinterpret_cast<const char*>(bytes), count);
  paceline::Try(bytes[0], text.substr(1));
  return 0;
}
