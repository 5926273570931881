#include <catch2/catch.hpp>

#include "tests/sim/batch.h"
#include "tests/sim/cluster.h"

namespace paceline::sim {
namespace {

// Sanitizers cost ten times the time.
#if defined(__SANITIZE_ADDRESS__) || defined(PACELINE_TSAN)
constexpr uint64_t kSeeds = 300;
#else
constexpr uint64_t kSeeds = 4000;
#endif

TEST_CASE("every promise holds under every schedule of the fixed batch") {
  const BatchResult batch = RunBatch(1, kSeeds, 5, [] { return true; });

  REQUIRE(batch.failures == 0);
  REQUIRE(batch.runs == kSeeds);
}

TEST_CASE("a seed replays exactly") {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    const RunResult one = RunSeed(seed, false);
    const RunResult two = RunSeed(seed, false);

    INFO("seed=" << seed);
    REQUIRE(one.trace_hash == two.trace_hash);
    REQUIRE(one.parameters == two.parameters);
  }
}

}  // namespace
}  // namespace paceline::sim
