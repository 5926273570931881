#include "worker/agent/trainer.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/random.h"
#include "common/base/status_macros.h"
#include "common/job/job_state.h"
#include "common/job/round_plan.h"
#include "worker/loop/weights_hash.h"
#include "worker/model/metrics.h"

namespace paceline {
namespace {

// Samples evaluated at once: any number gives the same sums to within rounding; this one is fixed
// so that they are the same bits.
constexpr uint64_t kEvaluationBatch = 256;

}  // namespace

Trainer::Trainer(const v1::JobSpec& spec, const std::string& worker_id, LoadedData data)
    : spec_(spec), data_(std::move(data)), weights_(spec.merge(), worker_id), facts_(data_.facts) {}

absl::StatusOr<std::unique_ptr<Trainer>> Trainer::Create(const v1::JobSpec& spec,
                                                         const std::string& worker_id,
                                                         kernels::BackendChoice backend) {
  ASSIGN_OR_RETURN(LoadedData data, LoadData(spec.data()));
  auto trainer = std::unique_ptr<Trainer>(new Trainer(spec, worker_id, std::move(data)));
  ASSIGN_OR_RETURN(trainer->parameters_, ParametersOf(spec, trainer->facts()));
  ASSIGN_OR_RETURN(auto kernels, kernels::CreateKernels(backend));
  trainer->facts_.set_kernel_signature(kernels->signature());
  ASSIGN_OR_RETURN(trainer->model_,
                   Model::Create(spec.model(), trainer->facts().features(), std::move(kernels)));
  for (const Dataset* dataset : {&trainer->data_.train, &trainer->data_.eval}) {
    RETURN_IF_ERROR(CheckLabels(*dataset, spec.model().loss(), trainer->model_->outputs()));
  }
  return trainer;
}

absl::Status Trainer::UseParameters(const BlockRef& parameters) {
  if (parameters == current_) return absl::OkStatus();
  current_ = nullptr;
  RETURN_IF_ERROR(model_->SetParameters(parameters->floats()));
  current_ = parameters;
  return absl::OkStatus();
}

Batch Trainer::Gather(const Dataset& dataset, absl::Span<const uint64_t> indices) {
  features_.resize(std::max<size_t>(features_.size(), indices.size() * dataset.features));
  labels_.resize(std::max<size_t>(labels_.size(), indices.size()));
  const auto features = absl::MakeSpan(features_).first(indices.size() * dataset.features);
  const auto labels = absl::MakeSpan(labels_).first(indices.size());
  dataset.Gather(indices, features, labels);
  return Batch{indices.size(), features, labels, 0};
}

absl::Status Trainer::LeafGradient(uint64_t ordinal, absl::Span<float> gradient,
                                   LeafTotals* totals) {
  ShardSamples(spec_.seed(), data_.train.samples, spec_.data().shard_samples(), ordinal, &indices_);
  Batch batch = Gather(data_.train, indices_);
  // The ordinal counts through all epochs, so no data shard draws as another does.
  batch.random_key = RandomStream(spec_.seed(), "layers").Bits(ordinal);
  ASSIGN_OR_RETURN(const BatchResult result, model_->Gradient(batch, gradient));
  if (!std::isfinite(result.loss_sum)) {
    return absl::OutOfRangeError(absl::StrCat("training has diverged: the loss of data shard ",
                                              ordinal, " is ", result.loss_sum,
                                              "; a smaller learning rate or clipping may help"));
  }
  *totals = {result.samples, result.loss_sum, result.correct};
  return absl::OkStatus();
}

absl::StatusOr<std::vector<ComputedPiece>> Trainer::Compute(const ComputeRequest& request,
                                                            const std::function<bool()>& go_on,
                                                            uint64_t* samples) {
  *samples = 0;
  RETURN_IF_ERROR(UseParameters(request.parameters));
  const LeafFunction leaf = [&](uint64_t ordinal, absl::Span<float> gradient,
                                LeafTotals* totals) -> absl::Status {
    if (!go_on()) return absl::CancelledError("the round is over");
    RETURN_IF_ERROR(LeafGradient(ordinal, gradient, totals));
    *samples += totals->samples;
    return absl::OkStatus();
  };
  std::vector<ComputedPiece> computed;
  for (const ComputePiece& piece : request.pieces) {
    ASSIGN_OR_RETURN(ComputedPiece sum,
                     SumPiece(piece, model_->parameter_elements(), weights_, leaf, &blocks_));
    if (request.square_norm) {
      sum.square_norm = SquareNorm(parameters_, sum.gradient->floats(), 1 / sum.piece.weight());
    }
    computed.push_back(std::move(sum));
  }
  return computed;
}

absl::StatusOr<v1::Evaluation> Trainer::Evaluate(const EvaluateRequest& request) {
  RETURN_IF_ERROR(UseParameters(request.parameters));
  const uint64_t samples = data_.eval.samples;
  double loss_sum = 0;
  uint64_t correct = 0;
  Metrics metrics(spec_.model().loss(), model_->outputs());
  for (uint64_t begin = 0; begin < samples; begin += kEvaluationBatch) {
    indices_.resize(std::min(kEvaluationBatch, samples - begin));
    std::iota(indices_.begin(), indices_.end(), begin);
    const Batch batch = Gather(data_.eval, indices_);
    outputs_.resize(batch.samples * model_->outputs());
    ASSIGN_OR_RETURN(const BatchResult result, model_->Evaluate(batch, absl::MakeSpan(outputs_)));
    metrics.Add(outputs_, batch.labels);
    loss_sum += result.loss_sum;
    correct += result.correct;
  }

  v1::Evaluation evaluation;
  evaluation.set_epoch(request.epoch);
  evaluation.set_version(request.version);
  evaluation.set_samples(samples);
  if (samples > 0) {
    evaluation.set_loss(loss_sum / static_cast<double>(samples));
    if (Classifies(spec_)) {
      evaluation.set_accuracy(static_cast<double>(correct) / static_cast<double>(samples));
    }
    metrics.FillIn(&evaluation);
  }
  evaluation.set_final(request.final);
  if (request.final) {
    evaluation.set_weights_sha256(WeightsSha256(parameters_, request.parameters->floats()));
  }
  return evaluation;
}

}  // namespace paceline
