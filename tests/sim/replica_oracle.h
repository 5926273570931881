// Watches the copies of every partition, and says when replication breaks a promise.
//
// It shares no code with server/replica, server/partition or server/coordinator: it knows what the
// coordinator said, what each copy reports after every event, and what was answered to workers.
//
// Units    Entry i of a partition's log makes version i.
// Threads  One thread at a time.
// Source   docs/protocol.md, "Replication"; docs/guarantees.md names the oracles.
#ifndef PACELINE_TESTS_SIM_REPLICA_ORACLE_H_
#define PACELINE_TESTS_SIM_REPLICA_ORACLE_H_

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "proto/control.pb.h"
#include "proto/parameter.pb.h"
#include "tests/history/fence.h"
#include "tests/sim/shard_set.h"
#include "tests/sim/verdict.h"

namespace paceline::sim {

class ReplicaOracle {
 public:
  // `ahead`: entries that a primary may acknowledge beyond what is committed.
  ReplicaOracle(Verdict* verdict, uint64_t ahead) : verdict_(verdict), ahead_(ahead) {}

  // The coordinator says so in its `life`, to whomever: one of an earlier life than another that has
  // spoken has been succeeded, and may be late, but decides nothing. True: the job begins anew, from
  // a checkpoint; what copies that were placed before say counts no more.
  bool OnTold(uint64_t life, const v1::JobDirective& directive);

  // From now on a copy that is nowhere to be seen may have been let go.
  void OnJobCancelled() { is_cancelled_ = true; }

  // The process that was `incarnation` of `server` and all before it has died.
  void OnServerGone(const std::string& server, uint64_t incarnation);

  // `server` holds no copy of any other partition than these reports name.
  void OnHeld(const std::string& server, const std::vector<v1::PartitionReport>& reports);
  // What a copy on `server` is after an event there.
  void OnReport(const std::string& server, const v1::PartitionReport& report,
                const ShardSet& applied);

  // The primary on `server`, whose report is `report` after the event, has answered a call OK.
  // `shards` are acknowledged; `read`, if not null, is the version that was given.
  void OnAnswer(const std::string& server, const v1::PartitionReport& report,
                const ShardSet& applied, const uint64_t* read, const ShardSet& shards);

  // Of a copy that was placed before the job began anew, or that could not begin.
  bool IsPast(const v1::PartitionReport& report) const;
  // Whether its job has ever begun anew.
  bool has_restarted() const { return has_restarted_; }

  // The newest word on each partition.
  const std::map<uint32_t, v1::PartitionPlacement>& placements() const { return placements_; }
  // As last reported; null: this process has no such copy, or has not said so.
  const v1::PartitionReport* ReportOf(const std::string& server, uint32_t partition) const;
  // Not one of its processes that has died.
  bool IsAlive(const v1::PartitionReplica& replica) const;
  // Whether its primary has asked for it to be taken out of the set, and the coordinator may still
  // come to believe it.
  bool MayBeTakenOut(uint64_t replica, const v1::PartitionPlacement& placement) const;
  uint64_t promotions() const { return promotions_; }

 private:
  // What its placement says it begins from cannot be read.
  bool CouldNotBegin(const v1::PartitionReport& report) const;

  struct State {
    v1::PartitionReport report;  // Of the first copy that came to it.
    std::string server;
    ShardSet applied;
  };

  // What is known of a partition, whoever holds it.
  struct Known {
    // The newest version that a primary has committed.
    uint64_t committed = 0;
    std::map<uint64_t, State> states;  // By version.
    std::map<uint64_t, std::string> placements;  // By config, as told.
    // Of each term.
    std::map<uint64_t, std::pair<std::string, uint64_t>> primary;
    // By replica id: where it is.
    std::map<uint64_t, std::pair<std::string, uint64_t>> places;
    // By replica id: the newest config under which its primary found it lagging or wrong.
    std::map<uint64_t, uint64_t> denounced;
    // What workers were told.
    history::Fence<ShardSet> fence;

    // Where the copies `beginners` began, from a checkpoint: once the first of them has said so.
    std::set<uint64_t> beginners;
    bool has_begun = true;
    uint64_t origin = 0;
    // What it was before, by version; by the times that it began.
    std::vector<std::map<uint64_t, State>> past;
    // acks: leader, by server and term: the first data shards of pushes acknowledged and not yet
    // committed there.
    std::map<std::pair<std::string, uint64_t>, std::set<uint64_t>> ahead;
  };

  void OnPlacement(const v1::PartitionPlacement& placement, bool may_be_late);
  bool IsRestart(const v1::JobDirective& directive) const;
  void Restart(const v1::PartitionPlacement& placement);
  void Begin(const std::string& server, const v1::PartitionReport& report, const ShardSet& applied,
             Known* known);

  // `primary` says that all up to its version is committed: whoever may be promoted must have it.
  void CheckInSync(const v1::PartitionPlacement& placement, uint64_t committed,
                   const std::string& why);
  // acks: leader.
  void CheckAhead(const std::string& server, const v1::PartitionReport& report,
                  const ShardSet& applied, const ShardSet& shards, Known* known);
  void CheckState(const std::string& server, const v1::PartitionReport& report,
                  const ShardSet& applied, Known* known);

  Verdict* const verdict_;
  const uint64_t ahead_;
  std::map<uint32_t, v1::PartitionPlacement> placements_;
  std::map<uint32_t, Known> known_;
  std::map<std::pair<std::string, uint32_t>, v1::PartitionReport> reports_;
  std::map<std::string, uint64_t> gone_;
  uint64_t life_ = 0;  // The newest in which a coordinator has spoken.
  uint64_t promotions_ = 0;
  bool is_cancelled_ = false;
  uint32_t segment_ = 0;  // In which the newest placement was told.
  // The checkpoint that the job began from last.
  bool has_restarted_ = false;
  uint64_t origin_ = 0;
  bool has_rounds_at_origin_ = false;
};

}  // namespace paceline::sim

#endif  // PACELINE_TESTS_SIM_REPLICA_ORACLE_H_
