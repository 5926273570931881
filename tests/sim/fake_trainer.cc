#include "tests/sim/fake_trainer.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "common/base/status_macros.h"
#include "worker/loop/weights_hash.h"

namespace paceline::sim {
namespace {

uint64_t Mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

// Some of the parameters' bits, from all over the vector.
uint64_t SaltOf(absl::Span<const float> parameters) {
  constexpr size_t kProbes = 64;
  uint64_t salt = 1;
  const size_t stride = std::max<size_t>(1, parameters.size() / kProbes);
  for (size_t i = 0; i < parameters.size(); i += stride) {
    uint32_t bits = 0;
    std::memcpy(&bits, &parameters[i], sizeof(bits));
    salt = Mix(salt ^ bits);
  }
  return salt | 1;
}

}  // namespace

float CommonGradient(uint64_t shard, uint64_t element, uint64_t salt) {
  const auto k = static_cast<int64_t>(Mix(Mix(shard * 0x9e3779b97f4a7c15 + salt) + element) % 17);
  return static_cast<float>(k - 8) * 0x1p-6f;
}

FakeTrainer::FakeTrainer(const Scenario* scenario, const std::string& worker_id)
    : scenario_(scenario),
      weights_(scenario->spec.merge(), worker_id),
      parameters_(ParametersOf(scenario->spec, scenario->facts).value()) {}

void FakeTrainer::Leaf(uint64_t shard, uint64_t salt, absl::Span<float> gradient) const {
  const uint64_t slots = scenario_->total_shards() + 1;
  const auto samples = static_cast<float>(scenario_->SamplesOf(shard));
  std::fill(gradient.begin(), gradient.end(), 0.0f);
  for (uint64_t i = shard; i < gradient.size(); i += slots) gradient[i] = samples;
  for (uint64_t i = slots - 1; i < gradient.size(); i += slots) {
    gradient[i] = samples * CommonGradient(shard, i, salt);
  }
}

absl::StatusOr<std::vector<ComputedPiece>> FakeTrainer::Compute(const ComputeRequest& request) {
  const uint64_t salt =
      scenario_->gradients_follow_parameters ? SaltOf(request.parameters->floats()) : 0;
  const auto leaf = [&](uint64_t shard, absl::Span<float> gradient, LeafTotals* totals) {
    Leaf(shard, salt, gradient);
    totals->samples = scenario_->SamplesOf(shard);
    totals->loss_sum = 0.25 * static_cast<double>(shard + 1);
    totals->correct = shard % (totals->samples + 1);
    return absl::OkStatus();
  };
  std::vector<ComputedPiece> computed;
  for (const ComputePiece& piece : request.pieces) {
    ASSIGN_OR_RETURN(ComputedPiece sum,
                     SumPiece(piece, request.parameters->elements(), weights_, leaf, &blocks_));
    if (request.square_norm) {
      sum.square_norm = SquareNorm(parameters_, sum.gradient->floats(), 1 / sum.piece.weight());
    }
    computed.push_back(std::move(sum));
  }
  return computed;
}

v1::Evaluation FakeTrainer::Evaluate(const EvaluateRequest& request) const {
  v1::Evaluation evaluation;
  evaluation.set_loss(0.5);
  evaluation.set_samples(scenario_->facts.eval_samples());
  if (request.final) {
    evaluation.set_weights_sha256(WeightsSha256(parameters_, request.parameters->floats()));
  }
  return evaluation;
}

}  // namespace paceline::sim
