// Replays one seed, or runs a range of them:
// simulate --seed=N [--count=M] [--safety] [--trace].
#include <CLI/CLI.hpp>
#include <cinttypes>
#include <cstdio>

#include "tests/sim/batch.h"
#include "tests/sim/cluster.h"

int main(int argc, char** argv) {
  CLI::App app("Runs whole fleets in virtual time: one seed, one run.");
  uint64_t seed = 1;
  uint64_t count = 1;
  uint64_t failures_max = 10;
  bool trace = false;
  bool safety = false;
  app.add_option("--seed", seed, "the seed, or the first of them")->required();
  app.add_option("--count", count, "how many seeds");
  app.add_option("--failures", failures_max, "stop after so many failures");
  app.add_flag("--safety", safety,
               "faults never end, and nothing wrong may happen; without it, "
               "they end, and then everything must");
  app.add_flag("--trace", trace, "print everything that happens; one seed only");
  CLI11_PARSE(app, argc, argv);
  const auto mode = safety ? paceline::sim::Mode::kSafety : paceline::sim::Mode::kLiveness;
  if (!trace) {
    const auto go_on = [] { return true; };
    return paceline::sim::RunBatch(seed, count, mode, failures_max, go_on).failures > 0;
  }
  const paceline::sim::RunResult run = paceline::sim::RunSeed(seed, mode, true);
  std::printf("seed=%" PRIu64 " %s\ntrace hash %016" PRIx64 "\n", seed,
              run.failure.empty() ? "keeps every promise" : run.failure.c_str(), run.trace_hash);
  return run.failure.empty() ? 0 : 1;
}
