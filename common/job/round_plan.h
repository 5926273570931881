// The order of a job's data, who takes which part of a round, and the tree its gradients are
// summed in. Pure arithmetic: every process that knows the spec and the data's size agrees.
//
// Shapes   Positions of an epoch are cut into data shards of `shard_samples`, the last of which may
//          be shorter. A shard's ordinal counts through all epochs: epoch * shards_per_epoch +
//          index. A round's leaves are its shards, 0..count-1.
// Threads  Pure functions; WorkPlan is constant after construction.
// Source   docs/protocol.md, "Canonical reduction".
#ifndef PACELINE_COMMON_JOB_ROUND_PLAN_H_
#define PACELINE_COMMON_JOB_ROUND_PLAN_H_

#include <cstdint>
#include <vector>

namespace paceline {

// Data shards in one pass over the training samples; both arguments are at least 1.
uint64_t ShardsPerEpoch(uint64_t train_samples, uint64_t shard_samples);

// The samples of data shard `ordinal`, replacing what `out` held: shard k of epoch e is positions
// [k * shard_samples, min((k + 1) * shard_samples, train_samples)) of the epoch's permutation.
void ShardSamples(uint64_t seed, uint64_t train_samples, uint64_t shard_samples, uint64_t ordinal,
                  std::vector<uint64_t>* out);

// Cuts the shard ordinals [first_ordinal, total_shards) into consecutive runs of up to run_length
// shards, none of which straddles an epoch's end. In sync a run is a round; in ssp and async it is
// what a worker leases and pushes at once. Everything is O(1).
class WorkPlan {
 public:
  struct Run {
    uint64_t first_ordinal = 0;
    uint64_t count = 0;
  };

  // first_ordinal <= total_shards; shards_per_epoch and run_length are at least 1.
  WorkPlan(uint64_t first_ordinal, uint64_t shards_per_epoch, uint64_t total_shards,
           uint64_t run_length);

  // Count of runs.
  uint64_t size() const { return size_; }

  // Run `index`, below size().
  Run At(uint64_t index) const;

  // The run that holds `ordinal`, which is in [first_ordinal, total_shards).
  uint64_t IndexOf(uint64_t ordinal) const;

 private:
  // The run of shards [begin, end) that starts `nth` runs after `begin`.
  Run Within(uint64_t begin, uint64_t end, uint64_t nth) const;

  uint64_t first_ordinal_;
  uint64_t shards_per_epoch_;
  uint64_t total_shards_;
  uint64_t run_length_;
  uint64_t head_end_;        // End of the epoch that first_ordinal is in, or total_shards.
  uint64_t head_runs_;       // Runs before head_end_.
  uint64_t runs_per_epoch_;  // Of the whole epochs behind head_end_.
  uint64_t size_;
};

// Consecutive leaves of a round.
struct LeafRun {
  uint64_t first = 0;
  uint64_t count = 0;

  friend bool operator==(LeafRun a, LeafRun b) { return a.first == b.first && a.count == b.count; }
  friend bool operator!=(LeafRun a, LeafRun b) { return !(a == b); }
};

// The leaves of worker `rank` of `workers` (rank < workers): [floor(rank * leaves / workers),
// floor((rank + 1) * leaves / workers)). Empty for some ranks when there are more workers.
LeafRun LeavesOf(uint64_t leaves, uint32_t rank, uint32_t workers);

// A subtree of the canonical tree over leaves [0, leaves), leaves >= 1: the root holds them all; of
// a node with more than one leaf, the left child holds the largest power of two below its count.
using TreeNode = LeafRun;

// Leaves in the left child of a node with `count` leaves, count >= 2.
uint64_t LeftLeaves(uint64_t count);

// Whether `node`, which may be any pair of numbers, is a subtree of the tree.
bool IsNode(uint64_t leaves, TreeNode node);

// The nodes above and beside `node`, which is a node and not the root.
TreeNode Parent(uint64_t leaves, TreeNode node);
TreeNode Sibling(uint64_t leaves, TreeNode node);

// The largest subtrees that lie inside `run` (which lies inside [0, leaves)), from left to right:
// together they are the run. At most 2 log2(leaves) of them.
std::vector<TreeNode> CompleteSubtrees(uint64_t leaves, LeafRun run);

}  // namespace paceline

#endif  // PACELINE_COMMON_JOB_ROUND_PLAN_H_
