#include "server/partition/reduction.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <limits>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "common/base/random.h"

namespace paceline {
namespace {

constexpr size_t kElements = 3;

// A leaf's gradient: numbers of very different size, so that the order of additions shows.
float LeafValue(uint64_t leaf, size_t element) {
  const RandomStream stream(7, absl::StrCat("leaf", element));
  const float size = static_cast<float>(uint64_t{1} << (stream.Bits(leaf) % 24));
  return (stream.Uniform(leaf + 1000) - 0.5f) * size;
}

// The definition: a node is its left child plus its right child.
std::vector<float> NodeValue(TreeNode node) {
  std::vector<float> sum(kElements);
  if (node.count == 1) {
    for (size_t i = 0; i < kElements; ++i) sum[i] = LeafValue(node.first, i);
    return sum;
  }
  const uint64_t left = LeftLeaves(node.count);
  const auto a = NodeValue({node.first, left});
  const auto b = NodeValue({node.first + left, node.count - left});
  for (size_t i = 0; i < kElements; ++i) sum[i] = a[i] + b[i];
  return sum;
}

double NodeLoss(TreeNode node) {
  if (node.count == 1) return LeafValue(node.first, 0) / 3.0;
  const uint64_t left = LeftLeaves(node.count);
  return NodeLoss({node.first, left}) + NodeLoss({node.first + left, node.count - left});
}

GradientSum PieceOf(TreeNode node) {
  GradientSum piece;
  piece.block = std::make_shared<Block>(kElements + 2);
  piece.begin = 2;
  const auto value = NodeValue(node);
  std::copy(value.begin(), value.end(), piece.block->floats().begin() + 2);
  piece.weight = static_cast<double>(node.count);
  piece.samples = 10 * node.count;
  piece.loss_sum = NodeLoss(node);
  piece.correct = node.count;
  return piece;
}

void CheckRoot(Reduction* reduction, uint64_t leaves) {
  REQUIRE(reduction->is_complete());
  CHECK(reduction->Missing().empty());
  const GradientSum root = reduction->Take();
  const auto wanted = NodeValue({0, leaves});
  for (size_t i = 0; i < kElements; ++i) {
    CHECK(root.block->floats()[root.begin + i] == wanted[i]);
  }
  CHECK(root.weight == static_cast<double>(leaves));
  CHECK(root.samples == 10 * leaves);
  CHECK(root.loss_sum == NodeLoss({0, leaves}));
  CHECK(root.correct == leaves);
}

TEST_CASE("a sum's bits depend on the leaves alone, not on who sends what or when") {
  for (uint64_t leaves = 1; leaves <= 9; ++leaves) {
    for (uint32_t workers = 1; workers <= 9; ++workers) {
      std::vector<TreeNode> nodes;
      for (uint32_t rank = 0; rank < workers; ++rank) {
        for (const TreeNode node : CompleteSubtrees(leaves, LeavesOf(leaves, rank, workers))) {
          nodes.push_back(node);
        }
      }
      std::vector<size_t> order(nodes.size());
      std::iota(order.begin(), order.end(), 0);
      for (int shuffle = 0; shuffle < 24; ++shuffle) {
        Reduction reduction(leaves, kElements);
        for (const size_t i : order) {
          CHECK_FALSE(reduction.is_complete());
          REQUIRE(*reduction.Add(nodes[i], PieceOf(nodes[i])));
        }
        CheckRoot(&reduction, leaves);
        std::next_permutation(order.begin(), order.end());
        if (shuffle == 11) std::reverse(order.begin(), order.end());
      }
    }
  }
}

TEST_CASE("a piece inside one that is present is a duplicate") {
  Reduction reduction(8, kElements);
  REQUIRE(*reduction.Add({0, 4}, PieceOf({0, 4})));

  for (const TreeNode node : {TreeNode{0, 4}, {0, 2}, {2, 2}, {3, 1}}) {
    CHECK(reduction.Covers(node));
    CHECK_FALSE(*reduction.Add(node, PieceOf(node)));
  }
  CHECK_FALSE(reduction.Covers({0, 8}));
  REQUIRE(*reduction.Add({4, 4}, PieceOf({4, 4})));
  CheckRoot(&reduction, 8);
}

TEST_CASE("a piece joined from others makes their repetition a duplicate") {
  Reduction reduction(8, kElements);
  REQUIRE(*reduction.Add({1, 1}, PieceOf({1, 1})));
  REQUIRE(*reduction.Add({0, 1}, PieceOf({0, 1})));
  CHECK_FALSE(*reduction.Add({1, 1}, PieceOf({1, 1})));
  CHECK_FALSE(*reduction.Add({0, 2}, PieceOf({0, 2})));
}

TEST_CASE("a piece that contains some that are present replaces them") {
  Reduction reduction(9, kElements);
  REQUIRE(*reduction.Add({1, 1}, PieceOf({1, 1})));
  REQUIRE(*reduction.Add({4, 2}, PieceOf({4, 2})));
  REQUIRE(*reduction.Add({7, 1}, PieceOf({7, 1})));
  REQUIRE(*reduction.Add({8, 1}, PieceOf({8, 1})));

  REQUIRE(*reduction.Add({0, 8}, PieceOf({0, 8})));

  CheckRoot(&reduction, 9);
}

TEST_CASE("missing leaves are named as runs") {
  Reduction reduction(8, kElements);
  CHECK(reduction.Missing() == std::vector<LeafRun>{{0, 8}});
  REQUIRE(*reduction.Add({1, 1}, PieceOf({1, 1})));
  REQUIRE(*reduction.Add({4, 2}, PieceOf({4, 2})));
  CHECK(reduction.Missing() == std::vector<LeafRun>{{0, 1}, {2, 2}, {6, 2}});
}

TEST_CASE("what is not a node of the tree is refused and nothing has changed") {
  Reduction reduction(8, kElements);
  REQUIRE(*reduction.Add({0, 1}, PieceOf({0, 1})));

  for (const TreeNode node : {TreeNode{1, 2}, {0, 3}, {0, 0}, {8, 1}, {0, 16}}) {
    CHECK(absl::IsInvalidArgument(reduction.Add(node, GradientSum{}).status()));
  }
  const uint64_t huge = std::numeric_limits<uint64_t>::max();
  CHECK(absl::IsInvalidArgument(reduction.Add({huge, huge}, GradientSum{}).status()));

  CHECK(reduction.Missing() == std::vector<LeafRun>{{1, 7}});
}

TEST_CASE("adding in place adds each element once, for every length") {
  for (const size_t count : {0, 1, 255, 256, 257, 1000}) {
    std::vector<float> in(count);
    std::vector<float> out(count, 0.5f);
    std::iota(in.begin(), in.end(), 1.0f);
    AddInPlace(in, absl::MakeSpan(out));
    for (size_t i = 0; i < count; ++i) CHECK(out[i] == in[i] + 0.5f);
  }
}

TEST_CASE("what is here is summed in tree order, a lone child in its parent's place") {
  Reduction reduction(8, kElements);
  for (const uint64_t leaf : {6, 1, 3, 2}) {
    REQUIRE(*reduction.Add({leaf, 1}, PieceOf({leaf, 1})));
  }
  const GradientSum sum = reduction.Take();
  for (size_t i = 0; i < kElements; ++i) {
    const float left = LeafValue(1, i) + (LeafValue(2, i) + LeafValue(3, i));
    CHECK(sum.block->floats()[sum.begin + i] == left + LeafValue(6, i));
  }
  CHECK(sum.weight == 4);
  CHECK(sum.samples == 40);
  // It is empty, and can be used anew.
  CHECK(reduction.Missing() == std::vector<LeafRun>{{0, 8}});
  REQUIRE(*reduction.Add({4, 4}, PieceOf({4, 4})));
  CHECK(reduction.Take().weight == 4);
}

}  // namespace
}  // namespace paceline
