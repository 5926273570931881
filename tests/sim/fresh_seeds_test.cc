// Seeds that nobody has run before, for a while.
#include <catch2/catch.hpp>
#include <chrono>
#include <cstdio>
#include <random>

#include "tests/sim/batch.h"

namespace paceline::sim {
namespace {

TEST_CASE("every promise holds under schedules that nobody has tried") {
  std::random_device entropy;
  const uint64_t first = (uint64_t{entropy()} << 16) + 1'000'000;

  for (const Mode mode : {Mode::kLiveness, Mode::kSafety}) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(5);
    const BatchResult batch = RunBatch(first, 1'000'000, mode, 5,
                                       [end] { return std::chrono::steady_clock::now() < end; });

    REQUIRE(batch.runs > 0);
    REQUIRE(batch.failures == 0);
  }
}

}  // namespace
}  // namespace paceline::sim
