#include "worker/loop/round_cover.h"

#include <algorithm>

namespace paceline {

void RoundCover::Begin(WorkPlan::Run run) {
  run_ = run;
  taken_.assign(run.count, false);
}

std::vector<ComputePiece> RoundCover::Take(uint64_t first, uint64_t end) {
  std::vector<ComputePiece> pieces;
  while (first < end) {
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

std::vector<ComputePiece> RoundCover::TakeMissing(uint32_t rank, uint32_t workers) {
  const LeafRun mine = LeavesOf(run_.count, rank, workers);
  return Take(mine.first, mine.first + mine.count);
}

std::vector<ComputePiece> RoundCover::TakeHelp(const std::vector<uint64_t>& missing, uint32_t rank,
                                               uint32_t workers) {
  std::vector<uint64_t> leaves;
  for (const uint64_t shard : missing) {
    if (shard < run_.first_ordinal || shard - run_.first_ordinal >= run_.count) continue;
    const uint64_t leaf = shard - run_.first_ordinal;
    if (!taken_[leaf]) leaves.push_back(leaf);
  }
  if (leaves.empty()) return {};
  size_t at = leaves.size() * rank / workers;
  size_t wanted = std::max<size_t>(1, leaves.size() / (2 * workers));
  // What follows on in a row is added up to fewer pieces.
  const uint64_t first = leaves[at];
  uint64_t end = first;
  while (at < leaves.size() && wanted > 0 && leaves[at] == end) {
    ++at, ++end, --wanted;
  }
  return Take(first, end);
}

}  // namespace paceline
