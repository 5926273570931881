// A job, its partitions, its coordinator and a network that loses and reorders, all in one thread
// and in virtual time: enough of the protocol to drive JobLoops through it and to see that every
// data shard is applied once, in every partition, on the parameters it had to be computed on.
//
// Parameters hold the version they are of; gradients hold the sum of (ordinal + 1) of their data
// shards, and the version that they were computed on. A quorum is half of a round.
#ifndef PACELINE_WORKER_LOOP_FAKE_FLEET_H_
#define PACELINE_WORKER_LOOP_FAKE_FLEET_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "client/session.h"
#include "common/base/random.h"
#include "common/job/job_work.h"
#include "common/job/round_plan.h"
#include "proto/control.pb.h"
#include "worker/loop/job_loop.h"

namespace paceline {

struct FakeFleetOptions {
  uint64_t seed = 1;
  v1::ConsistencySpec consistency;
  uint32_t epochs = 2;
  uint32_t shards_per_epoch = 13;
  uint32_t shards_per_round = 5;
  uint32_t shards_per_push = 2;
  bool clip_global_norm = false;
  uint32_t runs_per_clock = 1;
  float loss = 0;  // Share of messages lost.
  bool speculate = true;
  // Times as long as others that this worker takes to compute.
  std::map<std::string, double> slowness;
};

class FakeFleet {
 public:
  explicit FakeFleet(FakeFleetOptions options);
  ~FakeFleet();

  // A worker joins; or the same id again after Kill, as a new incarnation.
  void Start(const std::string& worker);
  // It stops at once; the roster hears of it a little later.
  void Kill(const std::string& worker);
  // Takes effect when all that was granted is applied.
  void ChangeMode(const v1::ConsistencySpec& consistency);

  // Runs until the job is FINISHED or `limit` has passed; true: finished.
  bool RunToEnd(absl::Duration limit = absl::Minutes(10));
  // Runs until `done`, the end, or `limit`.
  bool RunUntil(const std::function<bool()>& done, absl::Duration limit = absl::Minutes(10));

  // What was seen that must not be.
  const std::vector<std::string>& violations() const { return violations_; }
  // Times each data shard was applied, by partition.
  const std::vector<std::vector<int>>& applied() const { return applied_; }
  uint64_t version() const;
  const std::vector<v1::Evaluation>& evaluations() const { return evaluations_; }
  std::string Doing(const std::string& worker) const;
  v1::WorkerJobReport Report(const std::string& worker) const;
  uint64_t refused_stale() const { return refused_stale_; }
  // Answers that asked for help, and computations that were abandoned.
  int calls_for_help() const { return calls_for_help_; }
  int abandoned() const { return abandoned_; }
  absl::Duration passed() const { return now_ - absl::UnixEpoch(); }

 private:
  struct Node {
    v1::WorkerIdentity identity;
    std::unique_ptr<JobLoop> loop;
    bool alive = true;
    uint64_t newest_directive = 0;
    std::set<uint64_t> open_calls;
    int open_computes = 0;
    uint64_t abandoned = 0;
    int open_leases = 0;
  };

  using NodeRef = std::shared_ptr<Node>;

  struct Waiting {
    NodeRef node;
    ParameterCall call;
    bool duplicate = false;
  };

  struct PartitionState {
    uint32_t id = 0;
    uint64_t version = 0;
    std::vector<bool> leaves;
    bool reduced = false;
    absl::Time late = absl::InfiniteFuture();
    std::map<std::string, uint64_t> next_clock;
    std::vector<Waiting> parked;
  };

  static WorkPlan PlanOf(const FakeFleetOptions& options, const v1::Segment& segment);
  static float SumOfOrdinals(const v1::Piece& piece);

  // fake_fleet.cc: time, the network and the workers.
  void At(absl::Duration delay, std::function<void()> event);
  absl::Duration Delay();
  bool Lost();
  void Violation(std::string what);

  void Drain(const NodeRef& node);
  void Call(const NodeRef& node, const ParameterCall& call);
  void Compute(const NodeRef& node, const ComputeRequest& request);
  void Evaluate(const NodeRef& node, const EvaluateRequest& request);
  void Lease(const NodeRef& node, const LeaseCall& call);
  void Sync(const NodeRef& node);
  void Answer(const Waiting& waiting, CallResult result);

  // fake_fleet_job.cc: the partitions, then the coordinator.
  void Arrive(const NodeRef& node, const ParameterCall& call);
  void OnPush(const Waiting& waiting);
  void TakeRound(const Waiting& waiting, PartitionState* partition);
  void TakeRun(const Waiting& waiting, PartitionState* partition);
  void CheckGradients(const Waiting& waiting);
  void ApplyRound(PartitionState* partition);
  void AnswerParked();
  bool TryAnswer(const Waiting& waiting, const PartitionState& partition);
  bool AskForHelp(const Waiting& waiting, const PartitionState& partition);

  void GrantRounds();
  void EndOrCut();
  void Cut();
  uint64_t LargestClock() const;
  void Publish();
  v1::RosterMember* Member(const std::string& worker);
  v1::LeaseReply Grant(const std::string& worker, uint32_t want);
  bool Done(uint64_t run) const;
  bool has_rounds() const { return HasRounds(job_.segment().consistency()); }
  bool is_quorum() const { return job_.segment().consistency().has_quorum(); }

  const FakeFleetOptions options_;
  RandomStream random_;
  uint64_t draws_ = 0;
  absl::Time now_ = absl::UnixEpoch();
  std::multimap<absl::Time, std::function<void()>> events_;
  std::map<std::string, NodeRef> nodes_;
  uint64_t incarnations_ = 0;
  uint64_t total_ = 0;

  v1::JobDirective job_;
  std::string evaluator_;
  WorkPlan plan_;
  std::optional<v1::ConsistencySpec> pending_;
  uint64_t published_ = 0;
  uint64_t granted_limit_ = 0;
  uint64_t next_run_ = 0;
  std::map<uint64_t, std::string> held_;
  std::set<uint64_t> orphans_;
  uint64_t refused_stale_ = 0;
  int calls_for_help_ = 0;
  int abandoned_ = 0;

  std::vector<std::unique_ptr<PartitionState>> partitions_;
  std::vector<std::vector<int>> applied_;
  std::vector<v1::Evaluation> evaluations_;
  std::vector<std::string> violations_;
};

}  // namespace paceline

#endif  // PACELINE_WORKER_LOOP_FAKE_FLEET_H_
