#include "common/job/round_plan.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <set>

namespace paceline {
namespace {

TEST_CASE("every sample comes exactly once an epoch, in another order the next epoch") {
  // 103 samples in shards of 10: 11 shards, the last of 3.
  REQUIRE(ShardsPerEpoch(103, 10) == 11);
  std::vector<std::vector<uint64_t>> epochs;
  for (uint64_t epoch = 0; epoch < 3; ++epoch) {
    std::vector<uint64_t> seen, shard;
    for (uint64_t k = 0; k < 11; ++k) {
      ShardSamples(7, 103, 10, epoch * 11 + k, &shard);
      CHECK(shard.size() == (k == 10 ? 3 : 10));
      seen.insert(seen.end(), shard.begin(), shard.end());
    }
    CHECK(std::set<uint64_t>(seen.begin(), seen.end()).size() == 103);
    CHECK(*std::max_element(seen.begin(), seen.end()) == 102);
    epochs.push_back(seen);
  }
  CHECK(epochs[0] != epochs[1]);
  CHECK(epochs[1] != epochs[2]);
}

TEST_CASE("the order depends on the seed, and a shard on nothing but its ordinal") {
  std::vector<uint64_t> a, b, again = {1, 2, 3};
  ShardSamples(7, 1000, 32, 5, &a);
  ShardSamples(8, 1000, 32, 5, &b);
  ShardSamples(7, 1000, 32, 5, &again);

  CHECK(a != b);
  CHECK(a == again);
}

TEST_CASE("a shard larger than the data is the whole data") {
  std::vector<uint64_t> shard;
  ShardSamples(1, 3, 65536, 4, &shard);

  std::sort(shard.begin(), shard.end());
  CHECK(shard == std::vector<uint64_t>{0, 1, 2});
}

TEST_CASE("runs cover all ordinals in order, never straddle an epoch, and are found again") {
  for (uint64_t per_epoch = 1; per_epoch <= 7; ++per_epoch) {
    for (uint64_t total = 0; total <= 3 * per_epoch + 1; ++total) {
      for (uint64_t first = 0; first <= total; ++first) {
        for (uint64_t length = 1; length <= 9; ++length) {
          const WorkPlan plan(first, per_epoch, total, length);
          uint64_t at = first;
          for (uint64_t i = 0; i < plan.size(); ++i) {
            const WorkPlan::Run run = plan.At(i);
            REQUIRE(run.first_ordinal == at);
            REQUIRE(run.count >= 1);
            REQUIRE(run.count <= length);
            const uint64_t end = at + run.count;
            REQUIRE(at / per_epoch == (end - 1) / per_epoch);
            // A short run is one that an end has cut.
            REQUIRE((run.count == length || end % per_epoch == 0 || end == total));
            for (; at < end; ++at) REQUIRE(plan.IndexOf(at) == i);
          }
          REQUIRE(at == total);
        }
      }
    }
  }
}

TEST_CASE("the leaves of all workers are the round, and no share differs by more than one") {
  for (uint64_t leaves = 0; leaves <= 40; ++leaves) {
    for (uint32_t workers = 1; workers <= 45; ++workers) {
      uint64_t at = 0;
      for (uint32_t rank = 0; rank < workers; ++rank) {
        const LeafRun run = LeavesOf(leaves, rank, workers);
        REQUIRE(run.first == at);
        REQUIRE(run.count >= leaves / workers);
        REQUIRE(run.count <= leaves / workers + 1);
        at += run.count;
      }
      REQUIRE(at == leaves);
    }
  }
}

TEST_CASE("the left child holds the largest power of two below the count") {
  CHECK(LeftLeaves(2) == 1);
  CHECK(LeftLeaves(3) == 2);
  CHECK(LeftLeaves(4) == 2);
  CHECK(LeftLeaves(5) == 4);
  CHECK(LeftLeaves(8) == 4);
  CHECK(LeftLeaves(9) == 8);
  CHECK(LeftLeaves(4096) == 2048);
}

// All nodes of the tree with their parents, built top down.
void BuildTree(TreeNode node, std::map<std::pair<uint64_t, uint64_t>, TreeNode>* parents) {
  if (node.count < 2) return;
  const uint64_t left = LeftLeaves(node.count);
  const TreeNode children[] = {{node.first, left}, {node.first + left, node.count - left}};
  for (const TreeNode child : children) {
    (*parents)[{child.first, child.count}] = node;
    BuildTree(child, parents);
  }
}

TEST_CASE("nodes, parents and siblings are those of the tree, for every tree up to 40 leaves") {
  for (uint64_t leaves = 1; leaves <= 40; ++leaves) {
    std::map<std::pair<uint64_t, uint64_t>, TreeNode> parents;
    BuildTree({0, leaves}, &parents);
    REQUIRE(parents.size() == 2 * leaves - 2);
    for (uint64_t first = 0; first <= leaves + 2; ++first) {
      for (uint64_t count = 0; count <= leaves + 2; ++count) {
        const TreeNode node{first, count};
        const auto found = parents.find({first, count});
        const bool is_root = first == 0 && count == leaves;
        REQUIRE(IsNode(leaves, node) == (is_root || found != parents.end()));
        if (found == parents.end()) continue;
        const TreeNode parent = found->second;
        REQUIRE(Parent(leaves, node) == parent);
        const TreeNode sibling = Sibling(leaves, node);
        REQUIRE(sibling.count + node.count == parent.count);
        REQUIRE(std::min(sibling.first, node.first) == parent.first);
        REQUIRE(Sibling(leaves, sibling) == node);
      }
    }
  }
}

TEST_CASE("a pair of numbers that overflows is no node") {
  CHECK_FALSE(IsNode(8, {~uint64_t{0}, 2}));
  CHECK_FALSE(IsNode(8, {4, ~uint64_t{0}}));
  CHECK_FALSE(IsNode(0, {0, 0}));
  CHECK_FALSE(IsNode(0, {0, 1}));
}

TEST_CASE("complete subtrees are the run, from left to right, and none can be joined further") {
  for (uint64_t leaves = 1; leaves <= 40; ++leaves) {
    for (uint64_t first = 0; first <= leaves; ++first) {
      for (uint64_t count = 0; first + count <= leaves; ++count) {
        uint64_t at = first;
        for (const TreeNode node : CompleteSubtrees(leaves, {first, count})) {
          REQUIRE(node.first == at);
          REQUIRE(IsNode(leaves, node));
          at += node.count;
          if (node.count == leaves) continue;
          const TreeNode parent = Parent(leaves, node);
          REQUIRE((parent.first < first || parent.first + parent.count > first + count));
        }
        REQUIRE(at == first + count);
      }
    }
  }
}

TEST_CASE("a worker pushes one sum when leaves and workers are powers of two") {
  for (uint32_t rank = 0; rank < 4; ++rank) {
    CHECK(CompleteSubtrees(8, LeavesOf(8, rank, 4)).size() == 1);
  }
  // Three workers on 8 leaves: {0,1}, {2,3,4}, {5,6,7}.
  CHECK(CompleteSubtrees(8, LeavesOf(8, 1, 3)) == std::vector<TreeNode>{{2, 2}, {4, 1}});
  CHECK(CompleteSubtrees(8, LeavesOf(8, 2, 3)) == std::vector<TreeNode>{{5, 1}, {6, 2}});
}

}  // namespace
}  // namespace paceline
