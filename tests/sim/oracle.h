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
#include "server/partition/answer.h"
#include "tests/sim/scenario.h"

namespace paceline::sim {

class Oracle {
 public:
  explicit Oracle(const Scenario* scenario) : scenario_(scenario) {}

  // The first broken promise; empty: none.
  const std::string& failure() const { return failure_; }
  void Fail(const std::string& what) {
    if (failure_.empty()) failure_ = what;
  }

  // What a server is about to be told, and each call it is about to be given.
  void OnDirectives(const v1::ServerSyncReply& reply);
  void OnPush(uint64_t call, const v1::PushHeader& header);
  void OnPull(uint64_t call, const v1::PullRequest& request);
  void OnSettle(uint64_t call, const v1::SettleRequest& request);
  void OnCancel(uint64_t call) { calls_.erase(call); }
  void OnAnswer(const Answer& answer);
  // The partitions of `server` after each event there.
  void AfterEvent(const std::string& server, const std::vector<v1::PartitionReport>& reports);

  // The job has finished: all partitions' last reports agree with the scenario and each other.
  void CheckEnd(const v1::JobStatus& status);

  // The segments that partitions have followed, by index.
  const std::map<uint32_t, v1::Segment>& segments() const { return segments_; }

  // async: what the pushes staler than the bound count for, by (partition, data shard); 1 where
  // nothing is said.
  const std::map<std::pair<uint32_t, uint64_t>, double>& damping() const { return damping_; }

  // Counts, to show that a batch of seeds reaches what it should.
  struct Counts {
    uint64_t pushes = 0;
    uint64_t duplicates = 0;
    uint64_t refused = 0;
    uint64_t gated_reads = 0;  // ssp reads checked.
    uint64_t rounds = 0;
    uint64_t stale = 0;
  };
  const Counts& counts() const { return counts_; }

 private:
  struct Call {
    uint32_t partition = 0;
    bool is_push = false;
    uint32_t segment = 0;
    v1::WorkerIdentity worker;
    uint64_t clock = 0;  // Of the push.
    std::set<uint64_t> shards;
    uint64_t version_before = 0;
    uint64_t base_version = 0;
    uint64_t read_clock = 0;
    bool is_new = true;  // In the event that brought it.
  };

  struct Acknowledged {
    Call call;
    v1::ParametersHeader header;
  };

  // A partition as its messages show it.
  struct View {
    v1::Roster roster;
    v1::PartitionReport report;
    bool reported = false;
    std::set<uint64_t> applied;
    // The newest incarnation that has spoken here.
    std::map<std::string, uint64_t> newest;
    // Clocks committed here, plus one, by (worker, incarnation).
    std::map<std::pair<std::string, uint64_t>, uint64_t> next_clock;
    // sync: the distinct data shards that arrived for the round from each version.
    std::map<uint64_t, std::set<uint64_t>> arrived;
  };

  // What all partitions did at one version.
  struct Round {
    uint64_t samples = 0;
    double loss_sum = 0;
    uint64_t correct = 0;
  };

  Call& Note(uint64_t call, const v1::PartitionKey& key, const v1::WorkerIdentity& worker);
  static std::set<uint64_t> AppliedIn(const v1::PartitionReport& report);
  // `strict`: also those members count whose successors have been heard here.
  bool MayRead(const View& view, const v1::Segment& segment, const Call& call, bool strict,
               std::string* why) const;
  WorkPlan PlanOf(const v1::Segment& segment) const;
  void CheckAnswered(const Call& call, const v1::ParametersHeader& header);
  void CheckStaleness(const Call& call, const v1::ParametersHeader& header,
                      const v1::Segment& segment);
  void FollowReport(const v1::PartitionReport& report);
  void CheckSegmentStart(const v1::PartitionReport& report);
  void CheckSteps(const View& view, const v1::PartitionReport& report,
                  const std::set<uint64_t>& applied);
  void CheckRound(const View& view, const v1::Segment& segment, uint64_t version);
  void CheckAgreement(const v1::PartitionReport& report);
  void TakePushes(const v1::PartitionReport& report, View* view);
  void NoteDamping(const v1::PartitionReport& report, const View& view);
  void CheckWaits(const std::string& server);

  const Scenario* const scenario_;
  std::string failure_;
  std::map<uint32_t, v1::Segment> segments_;
  std::map<uint32_t, View> views_;  // By partition.
  std::map<uint64_t, Call> calls_;  // Not yet answered.
  std::map<uint32_t, std::string> holder_;
  std::map<uint64_t, Round> rounds_;  // By version, in sync.
  // Answered well in the event under way, so that its report can confirm it.
  std::vector<Acknowledged> acknowledged_;
  std::map<std::pair<uint32_t, uint64_t>, double> damping_;
  Counts counts_;
};

}  // namespace paceline::sim

#endif  // PACELINE_TESTS_SIM_ORACLE_H_
