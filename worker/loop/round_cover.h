// Which leaves of one synchronous round this worker has taken on, and which it still owes.
//
// Shapes   Leaves are the round's data shards, 0..count-1 (common/job/round_plan.h).
// Threads  One object, one thread.
#ifndef PACELINE_WORKER_LOOP_ROUND_COVER_H_
#define PACELINE_WORKER_LOOP_ROUND_COVER_H_

#include <cstdint>
#include <vector>

#include "common/job/round_plan.h"
#include "worker/loop/merge.h"

namespace paceline {

class RoundCover {
 public:
  // Begins the round that `run` is.
  void Begin(WorkPlan::Run run);

  // The pieces of the leaves that worker `rank` of `workers` has and that were not taken before:
  // the largest subtrees, ascending. They are taken now.
  std::vector<ComputePiece> TakeMissing(uint32_t rank, uint32_t workers);

  // The same out of the data shards `missing` (ascending), which are somebody else's and late: half
  // of an equal share of those not taken before, so that shares shrink as the end comes near, from
  // a place that depends on the rank, so that helpers begin apart. Nothing if all were taken.
  std::vector<ComputePiece> TakeHelp(const std::vector<uint64_t>& missing, uint32_t rank,
                                     uint32_t workers);

 private:
  // Takes the leaves [first, end) but for those taken before.
  std::vector<ComputePiece> Take(uint64_t first, uint64_t end);

  WorkPlan::Run run_;
  std::vector<bool> taken_;
};

}  // namespace paceline

#endif  // PACELINE_WORKER_LOOP_ROUND_COVER_H_
