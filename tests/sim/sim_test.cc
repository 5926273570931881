#include <catch2/catch.hpp>

#include "tests/sim/batch.h"
#include "tests/sim/cluster.h"

namespace paceline::sim {
namespace {

// Sanitizers cost ten times the time.
#ifdef PACELINE_SANITIZED
constexpr uint64_t kSeeds = 300;
#else
constexpr uint64_t kSeeds = 4000;
#endif

TEST_CASE("every promise holds under every schedule of the fixed batch") {
  const BatchResult batch = RunBatch(1, kSeeds, Mode::kLiveness, 5, [] { return true; });

  REQUIRE(batch.failures == 0);
  REQUIRE(batch.runs == kSeeds);
}

TEST_CASE("nothing wrong happens where faults never end") {
  const BatchResult batch = RunBatch(1, kSeeds / 4, Mode::kSafety, 5, [] { return true; });

  REQUIRE(batch.failures == 0);
  REQUIRE(batch.runs == kSeeds / 4);
}

TEST_CASE("a seed replays exactly") {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    const RunResult one = RunSeed(seed, Mode::kLiveness, false);
    const RunResult two = RunSeed(seed, Mode::kLiveness, false);

    INFO("seed=" << seed);
    REQUIRE(one.trace_hash == two.trace_hash);
    REQUIRE(one.parameters == two.parameters);
  }
}

}  // namespace
}  // namespace paceline::sim
