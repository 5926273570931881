// Gradients of data shards, weighted and summed in tree order into the pieces that a push carries.
//
// Shapes   Gradients are the job's flat vector (common/job/parameters.h).
// Units    A shard's weight is w_k of MergeSpec; a piece's gradient is sum(w_k g_k), with g_k the
//          mean over the shard's samples.
// Errors   What the leaf function answers, unchanged.
// Threads  Pure but for the pool.
// Source   docs/protocol.md, "Merging and the optimizer's input"; common/job/round_plan.h (the
//          tree).
#ifndef PACELINE_WORKER_LOOP_MERGE_H_
#define PACELINE_WORKER_LOOP_MERGE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "common/job/parameters.h"
#include "common/tensor/block.h"
#include "common/tensor/block_pool.h"
#include "proto/job.pb.h"
#include "proto/parameter.pb.h"

namespace paceline {

// Consecutive data shards whose gradients are to be summed. In sync a node of the round's tree.
struct ComputePiece {
  uint64_t first_shard = 0;  // Global ordinal.
  uint32_t shards = 0;       // At least 1.
};

struct ComputedPiece {
  v1::Piece piece;
  BlockRef gradient;
  // Squared norm over the whole model of gradient / piece.weight; 0 unless it was asked for.
  double square_norm = 0;
};

// What one data shard's samples add up to.
struct LeafTotals {
  uint64_t samples = 0;  // At least 1.
  double loss_sum = 0;
  uint64_t correct = 0;
};

// Writes into `gradient`, whose contents are unspecified, the sum (not the mean) of the gradients
// of the samples of data shard `ordinal`, and into `totals` what they add up to.
using LeafFunction =
    std::function<absl::Status(uint64_t ordinal, absl::Span<float> gradient, LeafTotals* totals)>;

// How one worker weighs its data shards.
class ShardWeights {
 public:
  ShardWeights(const v1::MergeSpec& merge, const std::string& worker_id);

  // w_k of a shard with that many samples.
  double Weight(uint64_t samples) const;

  // The factor from the sum of a shard's gradients to w_k g_k; exactly 1 for the rule `samples`.
  float Scale(uint64_t samples) const;

 private:
  v1::MergeSpec::Rule rule_;
  double worker_weight_ = 1;
};

// Sums one piece with at most 2 + log2(shards) blocks of `elements` from `pool`.
absl::StatusOr<ComputedPiece> SumPiece(const ComputePiece& piece, size_t elements,
                                       const ShardWeights& weights, const LeafFunction& leaf,
                                       BlockPool* pool);

// The squared norm of scale * gradient: blocks of 4096 elements counted from each parameter's
// start, each summed in double, added up in flat order.
double SquareNorm(const std::vector<ParameterInfo>& parameters, absl::Span<const float> gradient,
                  double scale);

}  // namespace paceline

#endif  // PACELINE_WORKER_LOOP_MERGE_H_
