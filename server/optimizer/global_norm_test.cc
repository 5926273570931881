#include "server/optimizer/global_norm.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "common/base/random.h"
#include "common/job/partitioning.h"

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

TEST_CASE("every segment starts a block, and a block's number carries the scale squared") {
  // 4096 + 4 elements of 2, then 3 of 1: blocks of 4096, 4 and 3 elements.
  std::vector<float> gradient(4100, 2.0f);
  gradient.insert(gradient.end(), 3, 1.0f);
  std::vector<double> blocks = {7};

  BlockSquareNorms(gradient, {4100, 3}, 0.5, &blocks);

  CHECK(blocks == std::vector<double>{7, 4096, 4, 0.75});
}

TEST_CASE("block sums are the same bits however a parameter is cut at blocks") {
  const uint64_t n = 3 * kBlockElements + 100;
  const std::vector<float> gradient = RandomGradient(n);
  std::vector<double> whole;
  BlockSquareNorms(gradient, {n}, 0.125, &whole);

  std::vector<double> pieces;
  const uint64_t cut = 2 * kBlockElements;
  BlockSquareNorms({gradient.data(), cut}, {cut}, 0.125, &pieces);
  BlockSquareNorms({gradient.data() + cut, n - cut}, {n - cut}, 0.125, &pieces);

  CHECK(whole.size() == 4);
  CHECK(pieces == whole);
}

TEST_CASE("no segments and empty segments add no blocks") {
  std::vector<double> blocks;
  BlockSquareNorms({}, {}, 1, &blocks);
  BlockSquareNorms({}, {0, 0}, 1, &blocks);
  CHECK(blocks.empty());
}

TEST_CASE("a norm above the bound is scaled down to it, and no other is touched") {
  CHECK(ClipFactor(1, 16) == 0.25);
  CHECK(ClipFactor(4, 16) == 1);
  CHECK(ClipFactor(5, 16) == 1);
  CHECK(ClipFactor(1, 0) == 1);
  // 1e30^2 is far inside float64.
  CHECK(ClipFactor(1, 1e60) == Approx(1e-30));
}

TEST_CASE("a norm that is not finite is not hidden") {
  CHECK(ClipFactor(1, std::numeric_limits<double>::infinity()) == 0);
  CHECK(std::isnan(ClipFactor(1, std::nan(""))));
}

}  // namespace
}  // namespace paceline
