// What one seed stands for: a job, a fleet, and everything that goes wrong.
//
// Units    Times are since the start of the run.
// Threads  Pure functions.
#ifndef PACELINE_TESTS_SIM_SCENARIO_H_
#define PACELINE_TESTS_SIM_SCENARIO_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "proto/control.pb.h"
#include "proto/job.pb.h"
#include "tests/sim/network.h"

namespace paceline::sim {

struct WorkerPlan {
  absl::Duration start;
  // Of one data shard.
  absl::Duration compute;
  absl::Duration read_data;
};

struct FaultEvent {
  enum class Kind {
    kKill,   // And a new process under the same name after `duration`.
    kLeave,  // In good order; a new process after `duration`.
    kPause,  // SIGSTOP for `duration`.
    kSlow,   // Its computations take ten times as long for `duration`.
    kCut,    // The link to `peer`, for `duration`.
  };
  absl::Duration when;
  Kind kind = Kind::kKill;
  std::string node;
  std::string peer;
  absl::Duration duration;
};

struct ModeChange {
  absl::Duration when;
  v1::ConsistencySpec consistency;
};

struct Scenario {
  uint64_t seed = 0;
  v1::JobSpec spec;
  v1::DatasetFacts facts;
  std::vector<WorkerPlan> workers;  // Named w0, w1, ...
  uint32_t servers = 1;             // Named s0, s1, ...
  std::vector<ModeChange> mode_changes;
  absl::Duration call_timeout;
  LinkFaults links;
  LinkFaults spine;
  std::vector<FaultEvent> faults;
  // From here on nothing goes wrong and everybody is back.
  absl::Duration calm;

  // Gradients depend on the parameters that they are computed on (sync only).
  bool gradients_follow_parameters = false;

  // Every mean is exact in float32, and so is every sum.
  bool is_exact = true;

  // Data shards of the whole job.
  uint64_t total_shards() const;
  uint64_t shards_per_epoch() const;
  // Samples of data shard `ordinal`: an epoch's last one may be shorter.
  uint64_t SamplesOf(uint64_t ordinal) const;
  // "sync, 3 workers, ..."
  std::string Summary() const;
};

Scenario MakeScenario(uint64_t seed);

// The same job on one worker and one server with nothing going wrong.
Scenario Undisturbed(const Scenario& scenario);

}  // namespace paceline::sim

#endif  // PACELINE_TESTS_SIM_SCENARIO_H_
