// The middle of some numbers.
//
// Threads  A pure function.
#ifndef PACELINE_COMMON_BASE_MEDIAN_H_
#define PACELINE_COMMON_BASE_MEDIAN_H_

#include <algorithm>
#include <cstddef>
#include <vector>

namespace paceline {

// Of at least one; of an even count the mean of the middle two.
template <typename Number>
Number Median(std::vector<Number> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  if (values.size() % 2 != 0) return *middle;
  return (*std::max_element(values.begin(), middle) + *middle) / 2;
}

}  // namespace paceline

#endif  // PACELINE_COMMON_BASE_MEDIAN_H_
