#include "worker/loop/merge.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <vector>

namespace paceline {
namespace {

v1::MergeSpec Rule(v1::MergeSpec::Rule rule) {
  v1::MergeSpec merge;
  merge.set_rule(rule);
  (*merge.mutable_worker_weights())["w0"] = 0.5;
  return merge;
}

// Leaf k has k + 1 samples whose gradients are k each, loss 1 and every second correct.
absl::Status CountingLeaf(uint64_t ordinal, absl::Span<float> gradient, LeafTotals* totals) {
  totals->samples = ordinal + 1;
  totals->loss_sum = static_cast<double>(ordinal + 1);
  totals->correct = (ordinal + 1) / 2;
  for (float& g : gradient) g = static_cast<float>(ordinal * (ordinal + 1));
  return absl::OkStatus();
}

TEST_CASE("a piece is the sum of its shards, with weights, losses and counts") {
  BlockPool pool;

  const absl::StatusOr<ComputedPiece> sum =
      SumPiece({2, 3}, 2, ShardWeights(Rule(v1::MergeSpec::SAMPLES), "w0"), CountingLeaf, &pool);

  // Shards 2, 3, 4: 3 + 4 + 5 samples, gradients 2*3 + 3*4 + 4*5 = 38.
  REQUIRE(sum.ok());
  CHECK(sum->piece.first_shard() == 2);
  CHECK(sum->piece.shards() == 3);
  CHECK(sum->piece.weight() == 12);
  CHECK(sum->piece.samples() == 12);
  CHECK(sum->piece.loss_sum() == 12);
  CHECK(sum->piece.correct() == 1 + 2 + 2);
  CHECK(sum->gradient->floats()[0] == 38.0f);
  CHECK(sum->gradient->floats()[1] == 38.0f);
}

TEST_CASE("the worker's weight counts as the rule says") {
  BlockPool pool;
  const auto sum = [&](v1::MergeSpec::Rule rule, const char* worker) {
    return *SumPiece({1, 2}, 1, ShardWeights(Rule(rule), worker), CountingLeaf, &pool);
  };

  // Means of shards 1 and 2 are 1 and 2, with 2 and 3 samples.
  const ComputedPiece by_worker = sum(v1::MergeSpec::WORKER, "w0");
  CHECK(by_worker.piece.weight() == 1.0);
  CHECK(by_worker.gradient->floats()[0] == Approx(0.5 * 1 + 0.5 * 2));
  const ComputedPiece hybrid = sum(v1::MergeSpec::HYBRID, "w0");
  CHECK(hybrid.piece.weight() == 2.5);
  CHECK(hybrid.gradient->floats()[0] == Approx(0.5 * 2 * 1 + 0.5 * 3 * 2));
  const ComputedPiece unnamed = sum(v1::MergeSpec::HYBRID, "w1");
  CHECK(unnamed.piece.weight() == 5.0);
  CHECK(unnamed.gradient->floats()[0] == 8.0f);
}

TEST_CASE("leaves are joined left plus right up the canonical tree") {
  // With 5 leaves the tree is ((0 1)(2 3))4. Leaves 1, e, e, -1, e with e = 2^-24: 1 + e rounds to
  // 1 and e - 1 is exact, so the sum is (1 + (e - 1)) + e = 2e; from left to right it would be
  // ((1 + e) + e) - 1 + e = e.
  const float e = std::ldexp(1.0f, -24);
  const std::vector<float> leaves = {1.0f, e, e, -1.0f, e};
  const LeafFunction leaf = [&](uint64_t k, absl::Span<float> gradient, LeafTotals* totals) {
    gradient[0] = leaves[k];
    totals->samples = 1;
    return absl::OkStatus();
  };
  BlockPool pool;

  const absl::StatusOr<ComputedPiece> sum =
      SumPiece({0, 5}, 1, ShardWeights({}, "w0"), leaf, &pool);

  REQUIRE(sum.ok());
  CHECK(sum->gradient->floats()[0] == 2 * e);
}

TEST_CASE("few blocks serve many shards, and all come back") {
  BlockPool pool;
  {
    const auto sum = SumPiece({0, 256}, 4, ShardWeights({}, "w0"), CountingLeaf, &pool);
    REQUIRE(sum.ok());
    CHECK(pool.idle() <= 8);
  }
  CHECK(pool.idle() <= 9);
}

TEST_CASE("a leaf's error ends the sum") {
  BlockPool pool;
  const LeafFunction leaf = [](uint64_t k, absl::Span<float> gradient, LeafTotals* totals) {
    if (k == 2) return absl::DataLossError("shard 2 is unreadable");
    return CountingLeaf(k, gradient, totals);
  };

  const auto sum = SumPiece({0, 4}, 1, ShardWeights({}, "w0"), leaf, &pool);

  CHECK(sum.status() == absl::DataLossError("shard 2 is unreadable"));
}

TEST_CASE("the square norm sums every parameter's blocks") {
  ParameterInfo a;
  a.elements = 5000;
  ParameterInfo b;
  b.elements = 3;
  b.offset = 5000;
  std::vector<float> gradient(5003, 1.0f);
  gradient[5002] = 2.0f;

  // (5000 + 1 + 1 + 4) / 4.
  CHECK(SquareNorm({a, b}, gradient, 0.5) == 5006 / 4.0);
  gradient[7] = std::numeric_limits<float>::quiet_NaN();
  CHECK(std::isnan(SquareNorm({a, b}, gradient, 0.5)));
}

}  // namespace
}  // namespace paceline
