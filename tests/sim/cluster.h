// One run of one scenario: a whole fleet in one process, until the job has finished or a promise is
// broken.
//
// Threads  A pure function of the scenario: the same one gives the same result.
#ifndef PACELINE_TESTS_SIM_CLUSTER_H_
#define PACELINE_TESTS_SIM_CLUSTER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "tests/sim/oracle.h"
#include "tests/sim/scenario.h"

namespace paceline::sim {

struct RunResult {
  // The first broken promise; empty: none.
  std::string failure;
  uint64_t trace_hash = 0;
  uint64_t events = 0;
  absl::Duration took;  // Virtual.
  bool has_finished = false;
  bool has_failed = false;  // As it may where servers die recklessly.
  bool was_cancelled = false;  // And left nothing behind.
  std::vector<float> parameters;
  Oracle::Counts counts;
  uint64_t promotions = 0;
  uint64_t server_faults = 0;
};

// With `print`, traces to standard output.
RunResult Run(const Scenario& scenario, bool print);

// Runs the scenario of `seed`; one that is synchronous throughout must come to the same bits as it
// does undisturbed.
RunResult RunSeed(uint64_t seed, Mode mode, bool print);

}  // namespace paceline::sim

#endif  // PACELINE_TESTS_SIM_CLUSTER_H_
