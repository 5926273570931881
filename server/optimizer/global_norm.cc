#include "server/optimizer/global_norm.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "common/base/check.h"
#include "common/job/partitioning.h"

namespace paceline {

double SquareSum(absl::Span<const float> elements) {
  // Element i always goes to lane i mod kLanes: one fixed order, and the compiler may vectorise it.
  constexpr size_t kLanes = 16;
  double lanes[kLanes] = {};
  const float* const v = elements.data();
  const size_t whole = elements.size() / kLanes * kLanes;
  for (size_t i = 0; i < whole; i += kLanes) {
    for (size_t j = 0; j < kLanes; ++j) {
      const double x = v[i + j];
      lanes[j] += x * x;
    }
  }
  for (size_t i = whole; i < elements.size(); ++i) {
    const double x = v[i];
    lanes[i - whole] += x * x;
  }
  for (size_t half = kLanes / 2; half >= 1; half /= 2) {
    for (size_t j = 0; j < half; ++j) lanes[j] += lanes[j + half];
  }
  return lanes[0];
}

void BlockSquareNorms(absl::Span<const float> gradient, absl::Span<const uint64_t> segment_elements,
                      double scale, std::vector<double>* out) {
  uint64_t begin = 0;
  for (const uint64_t elements : segment_elements) {
    PACELINE_CHECK(elements <= gradient.size() - begin);
    for (uint64_t block = 0; block < elements; block += kBlockElements) {
      const uint64_t count = std::min(kBlockElements, elements - block);
      out->push_back(SquareSum(gradient.subspan(begin + block, count)) * scale * scale);
    }
    begin += elements;
  }
  PACELINE_CHECK(begin == gradient.size());
}

double ClipFactor(double clip_global_norm, double total_square_norm) {
  const double norm = std::sqrt(total_square_norm);
  if (norm <= clip_global_norm) return 1;
  return clip_global_norm / norm;
}

}  // namespace paceline
