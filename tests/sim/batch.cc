#include "tests/sim/batch.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>

#include "tests/sim/cluster.h"

namespace paceline::sim {

BatchResult RunBatch(uint64_t first, uint64_t count, uint64_t failures_max,
                     const std::function<bool()>& go_on) {
  BatchResult batch;
  Oracle::Counts total;
  uint64_t events = 0;
  absl::Duration took;
  for (uint64_t seed = first; seed < first + count && go_on(); ++seed) {
    const RunResult run = RunSeed(seed, false);
    ++batch.runs;
    events += run.events;
    took += run.took;
    total.pushes += run.counts.pushes;
    total.duplicates += run.counts.duplicates;
    total.refused += run.counts.refused;
    total.gated_reads += run.counts.gated_reads;
    total.rounds += run.counts.rounds;
    total.stale += run.counts.stale;
    if (run.failure.empty()) continue;
    ++batch.failures;
    std::printf("seed=%" PRIu64
                " FAILED %s\n  replay: bazel run //tests/sim:simulate -- --seed=%" PRIu64
                " --trace\n",
                seed, run.failure.c_str(), seed);
    if (batch.failures >= failures_max) break;
  }
  std::printf("%" PRIu64 " seeds from %" PRIu64 ", %" PRIu64 " failed: %" PRIu64
              " events in %.0f virtual s; %" PRIu64 " pushes, %" PRIu64 " known before, %" PRIu64
              " refused (%" PRIu64 " too stale); %" PRIu64 " rounds closed, %" PRIu64
              " gated reads\n",
              batch.runs, first, batch.failures, events, absl::ToDoubleSeconds(took), total.pushes,
              total.duplicates, total.refused, total.stale, total.rounds, total.gated_reads);
  return batch;
}

}  // namespace paceline::sim
