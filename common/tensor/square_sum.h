// Sums of squares in one fixed order.
//
// Units    Squared element units, float64.
// Threads  A pure function.
#ifndef PACELINE_COMMON_TENSOR_SQUARE_SUM_H_
#define PACELINE_COMMON_TENSOR_SQUARE_SUM_H_

#include "absl/types/span.h"

namespace paceline {

// The sum of squares of any count of elements, in an order that depends on the count alone.
double SquareSum(absl::Span<const float> elements);

}  // namespace paceline

#endif  // PACELINE_COMMON_TENSOR_SQUARE_SUM_H_
