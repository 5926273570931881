// Who computes which run of a segment (ssp, async), and what is applied everywhere.
//
// Shapes   Runs are 0..size-1 (common/job/round_plan.h). A run is done when every partition has
//          applied its data shards. A run below `next` that is neither done nor held is an orphan.
// Threads  One object, one thread.
// Source   docs/protocol.md, "Leases".
#ifndef PACELINE_SERVER_COORDINATOR_DATA_SHARDS_H_
#define PACELINE_SERVER_COORDINATOR_DATA_SHARDS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "common/job/round_plan.h"
#include "proto/control.pb.h"

namespace paceline {

// What one partition has applied: data shards below a mark, and extents above it.
class AppliedMarks {
 public:
  AppliedMarks() = default;
  // `report`'s extents are ascending and do not overlap.
  explicit AppliedMarks(const v1::PartitionReport& report);

  bool Has(uint64_t ordinal) const;
  uint64_t below() const { return below_; }

  // All that is applied is below it.
  uint64_t end() const;

 private:
  uint64_t below_ = 0;
  std::map<uint64_t, uint64_t> end_of_;  // By the extent's first ordinal.
};

class DataShards {
 public:
  // Runs of `plan` below `granted_below` may have been granted by an earlier coordinator, as those
  // have been that a partition has applied when Update is first called.
  DataShards(WorkPlan plan, uint64_t granted_below);

  // Runs at or above `limit` are not granted; a change of mode lowers it from size().
  void SetLimit(uint64_t limit);

  // Finds out which runs are done. Nothing is granted before the first call.
  void Update(const std::vector<AppliedMarks>& partitions);

  // The runs that `worker` would be granted now, ascending, at most `want`: orphans, then new ones;
  // if there are none, those it holds since before `held_before` (it may never have heard of them).
  std::vector<uint64_t> Choose(const std::string& worker, size_t want,
                               absl::Time held_before) const;

  // Grants what Choose returned.
  void Grant(const std::string& worker, const std::vector<uint64_t>& runs, absl::Time now);

  // Makes orphans of what `worker` holds, or everybody.
  void Release(const std::string& worker);
  void ReleaseAll();

  // No run is left to grant, and `worker` holds none that is not done.
  bool NoneLeft(const std::string& worker) const;

  // Runs not done that `worker` holds, ascending.
  std::vector<uint64_t> HeldBy(const std::string& worker) const;

  // When the first of them was granted; InfiniteFuture: it holds none.
  absl::Time HeldSince(const std::string& worker) const;

  // Runs at or above it have never been granted.
  uint64_t next() const { return next_; }
  uint64_t limit() const { return limit_; }
  const WorkPlan& plan() const { return plan_; }

 private:
  struct Hold {
    std::string worker;
    absl::Time since;
  };

  void Orphan(const std::vector<AppliedMarks>& partitions);
  bool IsDone(uint64_t run, const std::vector<AppliedMarks>& partitions) const;

  WorkPlan plan_;
  uint64_t next_;
  uint64_t limit_;
  bool updated_ = false;
  std::set<uint64_t> orphans_;
  std::map<uint64_t, Hold> held_;
  std::map<std::string, std::set<uint64_t>> by_worker_;
};

}  // namespace paceline

#endif  // PACELINE_SERVER_COORDINATOR_DATA_SHARDS_H_
