#include "common/job/round_plan.h"

#include <algorithm>

#include "common/base/check.h"
#include "common/base/random.h"

namespace paceline {
namespace {

uint64_t CeilDivide(uint64_t a, uint64_t b) { return a / b + (a % b != 0 ? 1 : 0); }

uint64_t End(LeafRun run) { return run.first + run.count; }

TreeNode Left(TreeNode node) { return {node.first, LeftLeaves(node.count)}; }

TreeNode Right(TreeNode node) {
  const uint64_t left = LeftLeaves(node.count);
  return {node.first + left, node.count - left};
}

// Walks from the root towards `node`; returns its parent, or an empty run if there is none.
TreeNode FindParent(uint64_t leaves, TreeNode node) {
  TreeNode at{0, leaves};
  while (at.count > 1) {
    const TreeNode left = Left(at);
    const TreeNode right = Right(at);
    if (left == node || right == node) return at;
    at = node.first < right.first ? left : right;
  }
  return {0, 0};
}

void Collect(TreeNode node, LeafRun run, std::vector<TreeNode>* out) {
  if (End(node) <= run.first || End(run) <= node.first) return;
  if (run.first <= node.first && End(node) <= End(run)) {
    out->push_back(node);
    return;
  }
  Collect(Left(node), run, out);
  Collect(Right(node), run, out);
}

}  // namespace

uint64_t ShardsPerEpoch(uint64_t train_samples, uint64_t shard_samples) {
  PACELINE_CHECK(train_samples >= 1 && shard_samples >= 1);
  return CeilDivide(train_samples, shard_samples);
}

void ShardSamples(uint64_t seed, uint64_t train_samples, uint64_t shard_samples, uint64_t ordinal,
                  std::vector<uint64_t>* out) {
  const uint64_t shards = ShardsPerEpoch(train_samples, shard_samples);
  const Permutation order(RandomStream(seed, "epoch"), ordinal / shards, train_samples);
  const uint64_t begin = ordinal % shards * shard_samples;
  const uint64_t end = begin + std::min(shard_samples, train_samples - begin);
  out->clear();
  out->reserve(end - begin);
  for (uint64_t position = begin; position < end; ++position) out->push_back(order.At(position));
}

WorkPlan::WorkPlan(uint64_t first_ordinal, uint64_t shards_per_epoch, uint64_t total_shards,
                   uint64_t run_length)
    : first_ordinal_(first_ordinal),
      shards_per_epoch_(shards_per_epoch),
      total_shards_(total_shards),
      run_length_(run_length) {
  PACELINE_CHECK(first_ordinal <= total_shards && shards_per_epoch >= 1 && run_length >= 1);
  const uint64_t left_in_epoch = shards_per_epoch - first_ordinal % shards_per_epoch;
  head_end_ = first_ordinal + std::min(left_in_epoch, total_shards - first_ordinal);
  head_runs_ = CeilDivide(head_end_ - first_ordinal, run_length);
  runs_per_epoch_ = CeilDivide(shards_per_epoch, run_length);
  const uint64_t behind = total_shards - head_end_;
  size_ = head_runs_ + behind / shards_per_epoch * runs_per_epoch_ +
          CeilDivide(behind % shards_per_epoch, run_length);
}

WorkPlan::Run WorkPlan::Within(uint64_t begin, uint64_t end, uint64_t nth) const {
  const uint64_t first = begin + nth * run_length_;
  return {first, std::min(run_length_, end - first)};
}

WorkPlan::Run WorkPlan::At(uint64_t index) const {
  PACELINE_CHECK(index < size_);
  if (index < head_runs_) return Within(first_ordinal_, head_end_, index);
  const uint64_t behind = index - head_runs_;
  const uint64_t begin = head_end_ + behind / runs_per_epoch_ * shards_per_epoch_;
  const uint64_t end = begin + std::min(shards_per_epoch_, total_shards_ - begin);
  return Within(begin, end, behind % runs_per_epoch_);
}

uint64_t WorkPlan::IndexOf(uint64_t ordinal) const {
  PACELINE_CHECK(first_ordinal_ <= ordinal && ordinal < total_shards_);
  if (ordinal < head_end_) return (ordinal - first_ordinal_) / run_length_;
  const uint64_t behind = ordinal - head_end_;
  return head_runs_ + behind / shards_per_epoch_ * runs_per_epoch_ +
         behind % shards_per_epoch_ / run_length_;
}

LeafRun LeavesOf(uint64_t leaves, uint32_t rank, uint32_t workers) {
  PACELINE_CHECK(rank < workers);
  const uint64_t first = rank * leaves / workers;
  return {first, (uint64_t{rank} + 1) * leaves / workers - first};
}

uint64_t LeftLeaves(uint64_t count) {
  PACELINE_CHECK(count >= 2);
  uint64_t left = 1;
  while (left <= (count - 1) / 2) left *= 2;
  return left;
}

bool IsNode(uint64_t leaves, TreeNode node) {
  if (node.count == 0 || leaves == 0) return false;
  if (node == TreeNode{0, leaves}) return true;
  return FindParent(leaves, node).count > 0;
}

TreeNode Parent(uint64_t leaves, TreeNode node) {
  const TreeNode parent = FindParent(leaves, node);
  PACELINE_CHECK(parent.count > 0);
  return parent;
}

TreeNode Sibling(uint64_t leaves, TreeNode node) {
  const TreeNode parent = Parent(leaves, node);
  const TreeNode left = Left(parent);
  return node == left ? Right(parent) : left;
}

std::vector<TreeNode> CompleteSubtrees(uint64_t leaves, LeafRun run) {
  PACELINE_CHECK(run.first <= leaves && run.count <= leaves - run.first);
  std::vector<TreeNode> nodes;
  if (run.count > 0) Collect({0, leaves}, run, &nodes);
  return nodes;
}

}  // namespace paceline
