#include "common/tensor/square_sum.h"

#include <cstddef>

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

}  // namespace paceline
