#include "tests/sim/batch.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>

#include "tests/sim/cluster.h"

namespace paceline::sim {

namespace {

// What a batch has covered.
struct Covered {
  void Add(const RunResult& run) {
    events += run.events;
    took += run.took;
    finished += run.has_finished ? 1 : 0;
    failed += run.has_failed ? 1 : 0;
    cancelled += run.was_cancelled ? 1 : 0;
    promotions += run.promotions;
    server_faults += run.server_faults;
    counts.pushes += run.counts.pushes;
    counts.duplicates += run.counts.duplicates;
    counts.refused += run.counts.refused;
    counts.gated_reads += run.counts.gated_reads;
    counts.rounds += run.counts.rounds;
    counts.quorum_rounds += run.counts.quorum_rounds;
    counts.dropped += run.counts.dropped;
    counts.carried += run.counts.carried;
    counts.stale += run.counts.stale;
    counts.checkpoints += run.counts.checkpoints;
    counts.restores += run.counts.restores;
    counts.elected += run.counts.elected;
  }
  void Print() const {
    std::printf("  %" PRIu64 " events in %.0f virtual s; %" PRIu64 " jobs finished, %" PRIu64
                " failed as they may, %" PRIu64 " cancelled; %" PRIu64
                " faults of servers, %" PRIu64 " promotions, %" PRIu64 " coordinators elected\n",
                events, absl::ToDoubleSeconds(took), finished, failed, cancelled, server_faults,
                promotions, counts.elected);
    std::printf("  %" PRIu64 " pushes, %" PRIu64 " known before, %" PRIu64 " refused (%" PRIu64
                " too stale); %" PRIu64 " rounds closed, %" PRIu64 " gated reads; %" PRIu64
                " checkpoints, %" PRIu64 " jobs back to one\n",
                counts.pushes, counts.duplicates, counts.refused, counts.stale, counts.rounds,
                counts.gated_reads, counts.checkpoints, counts.restores);
    std::printf("  %" PRIu64 " rounds closed by a quorum, %" PRIu64
                " data shards dropped, of which %" PRIu64 " carried\n",
                counts.quorum_rounds, counts.dropped, counts.carried);
  }

  uint64_t events = 0;
  absl::Duration took;
  uint64_t finished = 0;
  uint64_t failed = 0;
  uint64_t cancelled = 0;
  uint64_t promotions = 0;
  uint64_t server_faults = 0;
  Oracle::Counts counts;
};

}  // namespace

BatchResult RunBatch(uint64_t first, uint64_t count, Mode mode, uint64_t failures_max,
                     const std::function<bool()>& go_on) {
  BatchResult batch;
  Covered covered;
  const char* const flag = mode == Mode::kSafety ? " --safety" : "";
  for (uint64_t seed = first; seed < first + count && go_on(); ++seed) {
    const RunResult run = RunSeed(seed, mode, false);
    ++batch.runs;
    covered.Add(run);
    if (run.failure.empty()) continue;
    ++batch.failures;
    std::printf("seed=%" PRIu64
                " FAILED %s\n  replay: bazel run //tests/sim:simulate -- --seed=%" PRIu64
                "%s --trace\n",
                seed, run.failure.c_str(), seed, flag);
    if (batch.failures >= failures_max) break;
  }
  std::printf("%" PRIu64 " seeds from %" PRIu64 "%s, %" PRIu64 " failed:\n", batch.runs, first,
              flag, batch.failures);
  covered.Print();
  return batch;
}

}  // namespace paceline::sim
