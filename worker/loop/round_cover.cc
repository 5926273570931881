#include "worker/loop/round_cover.h"

namespace paceline {

void RoundCover::Begin(WorkPlan::Run run) {
  run_ = run;
  taken_.assign(run.count, false);
}

std::vector<ComputePiece> RoundCover::TakeMissing(uint32_t rank, uint32_t workers) {
  std::vector<ComputePiece> pieces;
  const LeafRun mine = LeavesOf(run_.count, rank, workers);
  const uint64_t end = mine.first + mine.count;
  for (uint64_t first = mine.first; first < end;) {
    uint64_t last = first;
    while (last < end && !taken_[last]) taken_[last++] = true;
    if (last > first) {
      for (const TreeNode& node : CompleteSubtrees(run_.count, {first, last - first})) {
        pieces.push_back({run_.first_ordinal + node.first, static_cast<uint32_t>(node.count)});
      }
    }
    first = last + 1;
  }
  return pieces;
}

}  // namespace paceline
