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
