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

 private:
  WorkPlan::Run run_;
  std::vector<bool> taken_;
};

}  // namespace paceline

#endif  // PACELINE_WORKER_LOOP_ROUND_COVER_H_
