#include "server/partition/reduction.h"

#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"

namespace paceline {

void AddInPlace(absl::Span<const float> in, absl::Span<float> out) {
  PACELINE_CHECK(in.size() == out.size());
  // A constant inner count lets the compiler vectorise; each element is still one addition.
  constexpr size_t kStride = 256;
  const float* __restrict from = in.data();
  float* __restrict to = out.data();
  const size_t whole = out.size() / kStride * kStride;
  for (size_t i = 0; i < whole; i += kStride) {
    for (size_t j = 0; j < kStride; ++j) to[i + j] += from[i + j];
  }
  for (size_t i = whole; i < out.size(); ++i) to[i] += from[i];
}

void AddTo(const GradientSum& right, size_t elements, GradientSum* left) {
  AddInPlace(absl::MakeConstSpan(right.block->floats()).subspan(right.begin, elements),
             left->block->floats().subspan(left->begin, elements));
  left->weight += right.weight;
  left->samples += right.samples;
  left->loss_sum += right.loss_sum;
  left->correct += right.correct;
}

Reduction::Reduction(uint64_t leaves, size_t elements) : leaves_(leaves), elements_(elements) {
  PACELINE_CHECK(leaves >= 1);
}

bool Reduction::Covers(TreeNode node) const {
  const auto next = present_.upper_bound(node.first);
  if (next == present_.begin()) return false;
  const auto& [first, present] = *std::prev(next);
  return node.first + node.count <= first + present.count;
}

absl::StatusOr<bool> Reduction::Add(TreeNode node, GradientSum piece) {
  if (!IsNode(leaves_, node)) {
    return absl::InvalidArgumentError(absl::StrCat("leaves ", node.first, "..+", node.count,
                                                   " are not a node of the tree over ", leaves_,
                                                   " leaves"));
  }
  if (Covers(node)) return false;
  // Two nodes of one tree are disjoint or nested, so what starts inside lies inside.
  const auto end = present_.lower_bound(node.first + node.count);
  for (auto it = present_.lower_bound(node.first); it != end; it = present_.erase(it)) {
    arrived_ -= it->second.count;
  }
  arrived_ += node.count;
  Present joined{node.count, std::move(piece)};
  while (node.count < leaves_) {
    const TreeNode beside = Sibling(leaves_, node);
    const auto it = present_.find(beside.first);
    if (it == present_.end() || it->second.count != beside.count) break;
    if (beside.first < node.first) std::swap(joined, it->second);
    AddTo(it->second.sum, elements_, &joined.sum);
    present_.erase(it);
    node = Parent(leaves_, node);
    joined.count = node.count;
  }
  present_.emplace(node.first, std::move(joined));
  return true;
}

bool Reduction::is_complete() const {
  return arrived_ == leaves_;
}

GradientSum Reduction::Take() {
  absl::optional<GradientSum> root = TakeNode({0, leaves_});
  PACELINE_CHECK(root.has_value());
  arrived_ = 0;
  return *std::move(root);
}

absl::optional<GradientSum> Reduction::TakeNode(TreeNode node) {
  const auto first = present_.lower_bound(node.first);
  if (first == present_.end() || first->first >= node.first + node.count) return absl::nullopt;
  if (first->first == node.first && first->second.count == node.count) {
    absl::optional<GradientSum> sum = std::move(first->second.sum);
    present_.erase(first);
    return sum;
  }
  const uint64_t half = LeftLeaves(node.count);
  absl::optional<GradientSum> left = TakeNode({node.first, half});
  absl::optional<GradientSum> right = TakeNode({node.first + half, node.count - half});
  if (!left.has_value()) return right;
  if (right.has_value()) AddTo(*right, elements_, &*left);
  return left;
}

std::vector<LeafRun> Reduction::Missing() const {
  std::vector<LeafRun> missing;
  uint64_t at = 0;
  for (const auto& [first, present] : present_) {
    if (first > at) missing.push_back({at, first - at});
    at = first + present.count;
  }
  if (at < leaves_) missing.push_back({at, leaves_ - at});
  return missing;
}

}  // namespace paceline
