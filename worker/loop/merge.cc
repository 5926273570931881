#include "worker/loop/merge.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "common/base/check.h"
#include "common/base/status_macros.h"
#include "common/job/partitioning.h"
#include "common/job/round_plan.h"
#include "common/tensor/square_sum.h"

namespace paceline {
namespace {

// One piece on its way up the tree.
class TreeSum {
 public:
  TreeSum(const ShardWeights& weights, const LeafFunction& leaf, BlockPool* pool)
      : weights_(weights), leaf_(leaf), pool_(pool) {}

  // Writes the weighted sum of `count` data shards into `gradient`, and what they add up to into
  // `piece`. The right half waits in a block of its own: one for each level.
  absl::Status Sum(uint64_t first, uint64_t count, absl::Span<float> gradient, v1::Piece* piece) {
    if (count == 1) return Leaf(first, gradient, piece);
    const uint64_t left = LeftLeaves(count);
    RETURN_IF_ERROR(Sum(first, left, gradient, piece));

    const std::shared_ptr<Block> block = pool_->Take(gradient.size());
    v1::Piece right;
    RETURN_IF_ERROR(Sum(first + left, count - left, block->floats(), &right));
    float* const sum = gradient.data();
    const float* const addend = block->floats().data();
    for (size_t i = 0; i < gradient.size(); ++i) sum[i] += addend[i];
    piece->set_weight(piece->weight() + right.weight());
    piece->set_samples(piece->samples() + right.samples());
    piece->set_loss_sum(piece->loss_sum() + right.loss_sum());
    piece->set_correct(piece->correct() + right.correct());
    return absl::OkStatus();
  }

 private:
  absl::Status Leaf(uint64_t ordinal, absl::Span<float> gradient, v1::Piece* piece) {
    LeafTotals totals;
    RETURN_IF_ERROR(leaf_(ordinal, gradient, &totals));
    PACELINE_CHECK(totals.samples >= 1);
    const float scale = weights_.Scale(totals.samples);
    if (scale != 1.0f) {
      for (float& g : gradient) g *= scale;
    }
    piece->set_weight(weights_.Weight(totals.samples));
    piece->set_samples(totals.samples);
    piece->set_loss_sum(totals.loss_sum);
    piece->set_correct(totals.correct);
    return absl::OkStatus();
  }

  const ShardWeights& weights_;
  const LeafFunction& leaf_;
  BlockPool* const pool_;
};

}  // namespace

ShardWeights::ShardWeights(const v1::MergeSpec& merge, const std::string& worker_id)
    : rule_(merge.rule()) {
  const auto named = merge.worker_weights().find(worker_id);
  if (named != merge.worker_weights().end()) worker_weight_ = named->second;
}

double ShardWeights::Weight(uint64_t samples) const {
  switch (rule_) {
    case v1::MergeSpec::WORKER:
      return worker_weight_;
    case v1::MergeSpec::HYBRID:
      return static_cast<double>(samples) * worker_weight_;
    default:
      return static_cast<double>(samples);
  }
}

float ShardWeights::Scale(uint64_t samples) const {
  switch (rule_) {
    case v1::MergeSpec::WORKER:
      return static_cast<float>(worker_weight_ / static_cast<double>(samples));
    case v1::MergeSpec::HYBRID:
      return static_cast<float>(worker_weight_);
    default:
      return 1.0f;
  }
}

absl::StatusOr<ComputedPiece> SumPiece(const ComputePiece& piece, size_t elements,
                                       const ShardWeights& weights, const LeafFunction& leaf,
                                       BlockPool* pool) {
  PACELINE_CHECK(piece.shards >= 1);
  ComputedPiece computed;
  const std::shared_ptr<Block> gradient = pool->Take(elements);
  TreeSum sum(weights, leaf, pool);
  RETURN_IF_ERROR(sum.Sum(piece.first_shard, piece.shards, gradient->floats(), &computed.piece));
  computed.piece.set_first_shard(piece.first_shard);
  computed.piece.set_shards(piece.shards);
  computed.gradient = gradient;
  return computed;
}

double SquareNorm(const std::vector<ParameterInfo>& parameters, absl::Span<const float> gradient,
                  double scale) {
  PACELINE_CHECK(gradient.size() == TotalElements(parameters));
  double total = 0;
  for (const ParameterInfo& parameter : parameters) {
    for (uint64_t begin = 0; begin < parameter.elements; begin += kBlockElements) {
      const uint64_t count = std::min(kBlockElements, parameter.elements - begin);
      total += SquareSum(gradient.subspan(parameter.offset + begin, count)) * scale * scale;
    }
  }
  return total;
}

}  // namespace paceline
