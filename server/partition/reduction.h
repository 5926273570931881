// Adds up one round's gradients in the order of its canonical tree, whoever sends what and when.
//
// Shapes   A piece's gradient is [elements] float32 somewhere in a block of its own or of several
//          pieces; leaves are 0..leaves-1.
// Errors   Add: InvalidArgument: not a node of the tree; nothing has changed.
// Threads  One thread at a time.
// Source   docs/protocol.md, "Consistency"; common/job/round_plan.h, the tree.
//
// Pieces join their siblings as they arrive, in place in the left one's buffer: a node's sum is
// always left + right, so the bits depend on the leaves alone. A rule that must see gradients apart
// (a trimmed mean, say) would be another class with this interface that joins nothing.
#ifndef PACELINE_SERVER_PARTITION_REDUCTION_H_
#define PACELINE_SERVER_PARTITION_REDUCTION_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/optional.h"
#include "absl/types/span.h"
#include "common/job/round_plan.h"
#include "common/tensor/block.h"

namespace paceline {

// A sum of weighted gradients and what is added up beside it.
struct GradientSum {
  // The sum is elements [begin, begin + n) of `block`, and only its holder touches them.
  std::shared_ptr<Block> block;
  size_t begin = 0;
  double weight = 0;
  uint64_t samples = 0;
  double loss_sum = 0;
  uint64_t correct = 0;
};

class Reduction {
 public:
  // One round of `leaves` >= 1 data shards.
  Reduction(uint64_t leaves, size_t elements);

  // Whether what the node brings is here already.
  bool Covers(TreeNode node) const;

  // Takes a piece: true if it is new (pieces inside it are replaced), false if it is a duplicate.
  absl::StatusOr<bool> Add(TreeNode node, GradientSum piece);

  bool is_complete() const;

  // Leaves that are not here.
  uint64_t missing() const { return leaves_ - arrived_; }

  // The sum of what is here, at least one leaf: where a node has one child only, it is that child.
  // The reduction is empty afterwards.
  GradientSum Take();

  // Those, as runs from left to right.
  std::vector<LeafRun> Missing() const;

 private:
  // What is here of `node`; removes it.
  absl::optional<GradientSum> TakeNode(TreeNode node);

  const uint64_t leaves_;
  const size_t elements_;
  uint64_t arrived_ = 0;
  // By first leaf; disjoint, and no two of them siblings.
  struct Present {
    uint64_t count = 0;
    GradientSum sum;
  };
  std::map<uint64_t, Present> present_;
};

// Adds `right`, which has as many elements.
void AddTo(const GradientSum& right, size_t elements, GradientSum* left);

// out[i] += in[i].
void AddInPlace(absl::Span<const float> in, absl::Span<float> out);

}  // namespace paceline

#endif  // PACELINE_SERVER_PARTITION_REDUCTION_H_
