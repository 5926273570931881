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
#include "tests/sim/event_queue.h"
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
    kKill,      // And a new process under the same name after `duration`.
    kLeave,     // In good order; a new process after `duration`.
    kPause,     // SIGSTOP for `duration`.
    kSlow,      // Its computations take ten times as long for `duration`.
    kCut,       // The links to `peer`, for `duration`.
    kSlowLink,  // They take `extra` longer, for `duration`.
  };
  // Of kCut and kSlowLink, as `node` sees it.
  enum class Direction { kBoth, kOut, kIn };

  absl::Duration when;
  Kind kind = Kind::kKill;
  // A worker, "c", a server; "primary", "backup": a server that holds one when the time comes;
  // "coordinator": the one that is elected then.
  std::string node;
  // A node; "servers": all of them; "control": they and the coordinator; "workers"; "all". Where
  // servers elect: "c": the coordinator, or for itself etcd; all but "workers": etcd, too; "etcd".
  std::string peer;
  Direction direction = Direction::kBoth;
  absl::Duration duration;
  absl::Duration extra;
};

// What somebody who runs the fleet asks for.
struct AdminOrder {
  enum class Kind { kDrain, kCancelDrain, kRebalance, kScale };
  absl::Duration when;
  Kind kind = Kind::kDrain;
  std::string server;
  // kScale; 0: as it is.
  uint32_t workers = 0;
  uint32_t replicas = 0;
  uint32_t min_in_sync = 0;
};

// The coordinator's store takes no write.
struct StoreFault {
  absl::Duration when;
  absl::Duration duration;
  bool is_known = false;  // Before anything is written.
};

// All servers die at once, and what was not synced with them.
struct PowerLoss {
  absl::Duration when;
  absl::Duration duration;
  bool coordinator = false;
  bool workers = false;
};

// The folder that checkpoints lie in.
struct DiskPlan {
  enum class Fault {
    kNone,
    kNoSpace,
    kFailedSync,
    kTornWrite,  // It says that all is well.
    kRot,        // What is read has changed.
  };
  // Of one part or manifest, and of a restore.
  absl::Duration write_max;
  Fault fault = Fault::kNone;
  double chance = 0;  // Of the fault, at each operation.

  // Whether it holds what it says that it holds.
  bool is_honest() const { return fault != Fault::kTornWrite && fault != Fault::kRot; }
};

// What a run is about.
enum class Mode {
  kLiveness,  // Faults end, and then everything must.
  kSafety,    // Faults never end, and nothing wrong may happen.
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
  uint32_t zones = 0;               // 0: the servers name none.
  bool elects = false;              // Servers elect who coordinates; else "c" does.
  Mode mode = Mode::kLiveness;
  std::vector<ModeChange> mode_changes;
  absl::Duration call_timeout;
  ClockSkew skew;
  // As Network::Faults.
  LinkFaults links;
  LinkFaults spine;
  LinkFaults peers;
  std::vector<FaultEvent> faults;
  // Of servers, with more than one replica: each as soon as it leaves every partition an in-sync
  // copy that is well; with `reckless`, at its time.
  std::vector<FaultEvent> server_faults;
  bool reckless = false;
  std::vector<AdminOrder> orders;
  // A server whose drain is never taken back; empty: none.
  std::string drained;
  // When people cancel the job; then no job that has ended is kept.
  absl::Duration cancel = absl::InfiniteDuration();
  std::vector<StoreFault> store_faults;
  std::vector<PowerLoss> power_losses;
  // When people ask for a checkpoint.
  std::vector<absl::Duration> checkpoint_orders;
  DiskPlan disk;
  // PartitionHost::Options.
  uint64_t digest_interval = 256;
  uint64_t log_entries = 8;

  // From here on nothing goes wrong and everybody is back.
  absl::Duration calm;

  // Gradients depend on the parameters that they are computed on (sync only).
  bool gradients_follow_parameters = false;

  // Every mean is exact in float32, and so is every sum.
  bool is_exact = true;

  bool is_cancelled() const { return cancel < absl::InfiniteDuration(); }
  // Whether all copies of a partition may be lost.
  bool may_lose_all() const { return reckless || !power_losses.empty(); }
  // acks: leader: entries that a primary may acknowledge beyond what is committed; else 0.
  uint64_t ahead() const { return spec.fleet().acks() == v1::FleetSpec::LEADER ? log_entries : 0; }
  // Copies of each partition that the job begins with.
  uint32_t replicas() const { return spec.fleet().replicas(); }
  // Whether a quorum may close rounds at any time.
  bool has_quorum() const;
  // Data shards of the whole job.
  uint64_t total_shards() const;
  uint64_t shards_per_epoch() const;
  // Samples of data shard `ordinal`: an epoch's last one may be shorter.
  uint64_t SamplesOf(uint64_t ordinal) const;
  // "sync, 3 workers, ..."
  std::string Summary() const;
};

Scenario MakeScenario(uint64_t seed, Mode mode);

// The same job on one worker and one server with nothing going wrong.
Scenario Undisturbed(const Scenario& scenario);

}  // namespace paceline::sim

#endif  // PACELINE_TESTS_SIM_SCENARIO_H_
