// Watches everything that goes into and comes out of the partitions, with its own idea of what the
// protocol promises, and says when a promise is broken.
//
// It shares no code with server/partition: from the messages alone it knows which pushes count,
// which reads may be answered, and which must be.
//
// Threads  One thread at a time.
// Source   docs/protocol.md; docs/guarantees.md names the oracles.
#ifndef PACELINE_TESTS_SIM_ORACLE_H_
#define PACELINE_TESTS_SIM_ORACLE_H_

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/job/round_plan.h"
#include "proto/control.pb.h"
#include "proto/parameter.pb.h"
#include "proto/replica.pb.h"
#include "server/partition/answer.h"
#include "tests/sim/replica_oracle.h"
#include "tests/sim/scenario.h"
#include "tests/sim/shard_set.h"
#include "tests/sim/verdict.h"

namespace paceline::sim {

class Oracle {
 public:
  explicit Oracle(const Scenario* scenario)
      : scenario_(scenario), replicas_(&verdict_, scenario->ahead()) {}

  // The first broken promise; empty: none.
  const std::string& failure() const { return verdict_.failure(); }
  void Fail(const std::string& what) { verdict_.Fail(what); }

  // What the coordinator in its `life` says about a job, to whomever.
  void OnTold(uint64_t life, const v1::JobDirective& directive);
  // A server has become the coordinator.
  void OnTookOver() { ++counts_.elected; }
  // It has taken the job. No ended job is kept where people cancel it, so that a submission that is
  // repeated after the end makes another job: nothing here is about that one.
  void OnSubmitted(const std::string& job) {
    submitted_.insert(job);
  }
  bool has_another_job() const { return submitted_.size() > 1; }
  // It has written down that a checkpoint is whole.
  void OnCheckpointWritten() { ++counts_.checkpoints; }

  // What a server is about to be told, and each call it is about to be given.
  void OnDirectives(const std::string& server, const v1::ServerSyncReply& reply);
  void OnPush(const std::string& server, uint64_t call, const v1::PushHeader& header);
  void OnPull(const std::string& server, uint64_t call, const v1::PullRequest& request);
  void OnSettle(const std::string& server, uint64_t call, const v1::SettleRequest& request);
  void OnCancel(uint64_t call);
  void OnAnswer(const Answer& answer);
  // The partitions of `server` after each event there.
  void AfterEvent(const std::string& server, const std::vector<v1::PartitionReport>& reports);
  // A primary sends these to a backup.
  void OnEntries(const v1::AppendHeader& header);
  // People cancel the job: its copies may be let go one by one.
  void OnJobCancelled() { replicas_.OnJobCancelled(); }
  // The process, whose newest incarnation was `incarnation`, is dead.
  void OnServerGone(const std::string& server, uint64_t incarnation);

  // The job has finished: all partitions' last reports agree with the scenario and each other.
  void CheckEnd(const v1::JobStatus& status);

  // The segments that partitions have followed, by index.
  const std::map<uint32_t, v1::Segment>& segments() const { return segments_; }

  // async: what the pushes staler than the bound count for, by (partition, data shard); 1 where
  // nothing is said. Complete only where a partition has one copy: with more, the answer that tells
  // may come late or never.
  const std::map<std::pair<uint32_t, uint64_t>, double>& damping() const { return damping_; }

  const ReplicaOracle& replicas() const { return replicas_; }

  // Counts, to show that a batch of seeds reaches what it should.
  struct Counts {
    uint64_t pushes = 0;
    uint64_t duplicates = 0;
    uint64_t refused = 0;
    uint64_t gated_reads = 0;  // ssp reads checked.
    uint64_t rounds = 0;
    uint64_t quorum_rounds = 0;
    uint64_t dropped = 0;  // Data shards that quorum rounds were closed without.
    uint64_t carried = 0;  // By later ones.
    uint64_t stale = 0;
    uint64_t checkpoints = 0;
    uint64_t restores = 0;
    uint64_t elected = 0;  // Coordinators.
  };
  const Counts& counts() const { return counts_; }

  // What each partition has counted, at the end.
  std::map<uint32_t, v1::PartitionReport> counted() const;

  static ShardSet AppliedIn(const v1::PartitionReport& report);

 private:
  struct Call {
    std::string server;
    uint32_t partition = 0;
    bool is_push = false;
    uint32_t segment = 0;
    v1::WorkerIdentity worker;
    uint64_t clock = 0;  // Of the push.
    ShardSet shards;
    uint64_t version_before = 0;
    uint64_t base_version = 0;
    uint64_t read_clock = 0;
    bool wants_newest = false;  // And not one version.
    bool is_new = true;         // In the event that brought it.
  };

  struct Acknowledged {
    Call call;
    v1::ParametersHeader header;
    bool is_read = false;
  };

  // One server's copy of a partition, as its messages show it.
  struct Copy {
    v1::Roster roster;
    v1::PartitionReport report;
    ShardSet applied;
    bool reported = false;
  };

  // A partition, whoever holds it: as its primaries show it, one after the other.
  struct View {
    v1::PartitionReport report;
    bool reported = false;
    ShardSet applied;
    // The newest incarnation that has spoken here.
    std::map<std::string, uint64_t> newest;
    // Clocks committed here, plus one, by (worker, incarnation).
    std::map<std::pair<std::string, uint64_t>, uint64_t> next_clock;
    // Pushes that are in nobody's hands any more, but may be in a log.
    std::vector<Call> orphans;
    // Rounds: the distinct data shards that arrived for the round from each version, by the place
    // that they arrived at: server and term.
    std::map<uint64_t, std::map<std::pair<std::string, uint64_t>, ShardSet>> arrived;
  };

  // What all partitions did at one version.
  struct Round {
    uint64_t samples = 0;
    double loss_sum = 0;
    uint64_t correct = 0;
  };

  Call& Note(const std::string& server, uint64_t call, const v1::PartitionKey& key,
             const v1::WorkerIdentity& worker);
  bool IsReplicated() const;
  void Orphan(Call call);
  // `strict`: also those members count whose successors have been heard here.
  bool MayRead(const Copy& copy, const View& view, const v1::Segment& segment, const Call& call,
               bool strict, std::string* why) const;
  WorkPlan PlanOf(const v1::Segment& segment) const;
  void CheckAnswered(const Acknowledged& done);
  void CheckStaleness(const Acknowledged& done, const v1::Segment& segment);
  void FollowReport(const std::string& server, const v1::PartitionReport& report);
  void FollowPrimary(const std::string& server, const v1::PartitionReport& report, Copy* copy);
  // From a checkpoint.
  void BeginAnew(const v1::PartitionReport& report, const ShardSet& applied, View* view);
  void CountArrived();
  void CommitClocks(const v1::PartitionReport& report, View* view);
  void CheckSegmentStart(const v1::PartitionReport& report);
  void CheckSteps(const v1::PartitionReport& report, const ShardSet& applied);
  void CheckSamples(const v1::PartitionReport& report, const ShardSet& applied);
  void CheckQuorum(const std::string& server, const View& view, const v1::Segment& segment,
                   const v1::PartitionReport& report);
  void CheckRound(const View& view, const v1::Segment& segment, uint64_t version);
  void CheckAgreement(const v1::PartitionReport& report);
  void TakePushes(const std::string& server, const v1::PartitionReport& report, View* view);
  void NoteDamping(const v1::PartitionReport& report, const View& view);
  void CheckWaits(const std::string& server);

  const Scenario* const scenario_;
  Verdict verdict_;
  ReplicaOracle replicas_;
  std::map<uint32_t, v1::Segment> segments_;
  std::map<uint32_t, View> views_;  // By partition.
  std::map<std::pair<std::string, uint32_t>, Copy> copies_;
  std::map<uint64_t, Call> calls_;    // Not yet answered.
  std::map<uint64_t, Round> rounds_;  // By version, in sync.
  // Answered well in the event under way, so that its report can confirm it.
  std::vector<Acknowledged> acknowledged_;
  std::map<std::pair<uint32_t, uint64_t>, double> damping_;
  Counts counts_;
  std::set<std::string> submitted_;
};

}  // namespace paceline::sim

#endif  // PACELINE_TESTS_SIM_ORACLE_H_
