#include "common/tensor/square_sum.h"

#include <catch2/catch.hpp>
#include <vector>

#include "common/base/random.h"

namespace paceline {
namespace {

std::vector<float> RandomGradient(size_t n) {
  const RandomStream stream(3, "gradient");
  std::vector<float> gradient;
  for (size_t i = 0; i < n; ++i) gradient.push_back(stream.Uniform(i) - 0.5f);
  return gradient;
}

TEST_CASE("a sum of squares is right for any count, aligned or not") {
  const std::vector<float> gradient = RandomGradient(1001);
  CHECK(SquareSum({}) == 0);
  for (const size_t n : {1, 7, 8, 9, 15, 16, 17, 31, 1000}) {
    double expected = 0;
    for (size_t i = 1; i <= n; ++i) expected += double{gradient[i]} * gradient[i];
    // At most 1000 roundings of 2^-53 each.
    CHECK(SquareSum({gradient.data() + 1, n}) == Approx(expected).epsilon(1.2e-13));
  }
}

TEST_CASE("a sum of squares adds element i to lane i mod 16 and the lanes as a tree") {
  const std::vector<float> gradient = RandomGradient(1000);
  double lanes[16] = {};
  for (size_t i = 0; i < gradient.size(); ++i) lanes[i % 16] += double{gradient[i]} * gradient[i];
  for (int half = 8; half >= 1; half /= 2) {
    for (int j = 0; j < half; ++j) lanes[j] += lanes[j + half];
  }
  CHECK(SquareSum(gradient) == lanes[0]);
}

}  // namespace
}  // namespace paceline
