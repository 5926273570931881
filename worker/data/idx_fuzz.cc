// Any bytes as an IDX file, plain or gzip, and as both halves of a dataset: an error or an array as
// its shape says.
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "common/base/check.h"
#include "worker/data/byte_source.h"
#include "worker/data/dataset.h"
#include "worker/data/idx.h"

namespace paceline {
namespace {

void Try(absl::string_view bytes) {
  MemorySource source(bytes);
  absl::StatusOr<IdxArray> array = ReadIdx(&source, "fuzz");
  if (!array.ok()) return;
  uint64_t product = 1;
  for (const uint64_t size : array->shape) product *= size;
  PACELINE_CHECK(product == array->values.size());

  const IdxArray labels = {{array->shape[0]}, std::vector<uint8_t>(array->shape[0])};
  const absl::StatusOr<Dataset> dataset =
      MakeIdxDataset(*std::move(array), "images", labels, "labels");
  if (!dataset.ok()) return;
  std::vector<float> features(dataset->features);
  float label = 0;
  dataset->Gather({dataset->samples - 1}, absl::MakeSpan(features), absl::MakeSpan(&label, 1));
  for (const float x : features) PACELINE_CHECK(x >= 0 && x <= 1);
}

}  // namespace
}  // namespace paceline

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t count) {
  paceline::Try(absl::string_view(reinterpret_cast<const char*>(bytes), count));
  return 0;
}
