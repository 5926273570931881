#include "worker/model/model.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/job/layer_plan.h"
#include "proto/job.pb.h"
#include "worker/model/build_layers.h"

namespace paceline {
namespace {

using kernels::ConstMatrix;
using kernels::Kernels;
using kernels::Matrix;

constexpr uint64_t kFeaturesMax = (uint64_t{1} << 31) - 1;
constexpr uint64_t kSamplesMax = (uint64_t{1} << 31) - 1;

absl::StatusOr<kernels::Loss> LossOf(const v1::ModelSpec& spec) {
  switch (spec.loss()) {
    case v1::ModelSpec::SOFTMAX_CROSS_ENTROPY:
      return kernels::Loss::kSoftmaxCrossEntropy;
    case v1::ModelSpec::SIGMOID_CROSS_ENTROPY:
      return kernels::Loss::kSigmoidCrossEntropy;
    case v1::ModelSpec::MSE:
      return kernels::Loss::kSquaredError;
    default:
      return absl::InvalidArgumentError(
          absl::StrCat("model: loss is ", static_cast<int>(spec.loss()),
                       ", wanted softmax_cross_entropy, mse or sigmoid_cross_entropy"));
  }
}

// Words that the model takes as its samples' numbers; 0: it takes numbers.
uint64_t VocabularyOf(const std::vector<LayerPlan>& plans) {
  for (const LayerPlan& plan : plans) {
    if (plan.spec->has_embedding()) return plan.spec->embedding().vocabulary();
  }
  return 0;
}

bool LabelAllowed(kernels::Loss loss, float label, uint64_t width) {
  switch (loss) {
    case kernels::Loss::kSoftmaxCrossEntropy:
      return label >= 0 && label < static_cast<float>(width) && label == std::floor(label);
    case kernels::Loss::kSigmoidCrossEntropy:
      return label == 0 || label == 1;
    case kernels::Loss::kSquaredError:
      return std::isfinite(label);
  }
  return false;
}

std::string LabelsWanted(kernels::Loss loss, uint64_t width) {
  switch (loss) {
    case kernels::Loss::kSoftmaxCrossEntropy:
      return absl::StrCat("a class 0..", width - 1, " of the last layer's ", width, " units");
    case kernels::Loss::kSigmoidCrossEntropy:
      return "0 or 1";
    case kernels::Loss::kSquaredError:
      return "a finite number";
  }
  return "";
}

absl::Status Sizes(absl::string_view what, uint64_t seen, uint64_t wanted) {
  if (seen == wanted) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("model: ", what, " has ", seen, " elements, wanted ", wanted));
}

}  // namespace

Model::Model(uint64_t features, const Options& options, std::unique_ptr<LayerStack> layers,
             std::unique_ptr<Kernels> kernels)
    : features_(features),
      options_(options),
      layers_(std::move(layers)),
      kernels_(std::move(kernels)) {}

absl::StatusOr<std::unique_ptr<Model>> Model::Create(const v1::ModelSpec& spec, uint64_t features,
                                                     std::unique_ptr<Kernels> kernels) {
  if (features < 1 || features > kFeaturesMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("model: samples have ", features, " features, wanted 1..", kFeaturesMax));
  }
  ASSIGN_OR_RETURN(const kernels::Loss loss, LossOf(spec));
  ASSIGN_OR_RETURN(const std::vector<LayerPlan> plans, PlanLayers(spec, features));
  const Options options = {loss, spec.label_smoothing(), VocabularyOf(plans)};
  std::unique_ptr<Model> model(
      new Model(features, options, BuildLayers(plans), std::move(kernels)));
  const uint64_t elements = model->parameter_elements();
  ASSIGN_OR_RETURN(model->parameters_, model->kernels_->Allocate(elements));
  ASSIGN_OR_RETURN(model->parameter_gradient_, model->kernels_->Allocate(elements));
  return model;
}

absl::Status Model::SetParameters(absl::Span<const float> flat) {
  RETURN_IF_ERROR(Sizes("the parameter vector", flat.size(), parameter_elements()));
  has_parameters_ = false;
  RETURN_IF_ERROR(kernels_->Upload(flat, parameters_->array()));
  has_parameters_ = true;
  return absl::OkStatus();
}

absl::StatusOr<BatchResult> Model::Gradient(const Batch& batch, absl::Span<float> gradient_sum) {
  RETURN_IF_ERROR(Sizes("the gradient vector", gradient_sum.size(), parameter_elements()));
  RETURN_IF_ERROR(ValidateBatch(batch));
  RETURN_IF_ERROR(Reserve(batch.samples));

  const Pass pass = {true, batch.random_key};
  RETURN_IF_ERROR(Forward(batch, pass));
  RETURN_IF_ERROR(ComputeLoss(batch.samples, Output(*output_gradient_, batch.samples),
                              options_.label_smoothing));
  RETURN_IF_ERROR(Backward(batch.samples, pass));

  RETURN_IF_ERROR(kernels_->Download(parameter_gradient_->array(), gradient_sum));
  return Result(batch.samples);
}

absl::StatusOr<BatchResult> Model::Evaluate(const Batch& batch, absl::Span<float> outputs) {
  RETURN_IF_ERROR(ValidateBatch(batch));
  if (!outputs.empty()) {
    RETURN_IF_ERROR(Sizes("the outputs", outputs.size(), batch.samples * this->outputs()));
  }
  RETURN_IF_ERROR(Reserve(batch.samples));

  RETURN_IF_ERROR(Forward(batch, {}));
  RETURN_IF_ERROR(ComputeLoss(batch.samples, {}, 0));
  if (!outputs.empty()) {
    RETURN_IF_ERROR(kernels_->Download(Output(*outputs_, batch.samples).array, outputs));
  }
  return Result(batch.samples);
}

absl::Status Model::ValidateBatch(const Batch& batch) const {
  if (!has_parameters_) {
    return absl::FailedPreconditionError("model: no parameters yet, wanted SetParameters first");
  }
  if (batch.samples < 1 || batch.samples > kSamplesMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("model: the batch has ", batch.samples, " samples, wanted 1..", kSamplesMax));
  }
  RETURN_IF_ERROR(Sizes("the batch's features", batch.features.size(), batch.samples * features_));
  RETURN_IF_ERROR(Sizes("the batch's labels", batch.labels.size(), batch.samples));
  RETURN_IF_ERROR(ValidateWords(batch.features));
  return ValidateLabels(batch.labels);
}

absl::Status Model::ValidateWords(absl::Span<const float> features) const {
  if (options_.vocabulary == 0) return absl::OkStatus();
  const auto end = static_cast<float>(options_.vocabulary);
  for (size_t i = 0; i < features.size(); ++i) {
    const float word = features[i];
    if (word >= 0 && word < end && word == std::floor(word)) continue;
    return absl::InvalidArgumentError(absl::StrCat("model: number ", i % features_, " of row ",
                                                   i / features_, " of the batch is ", word,
                                                   ", wanted a word 0..", options_.vocabulary - 1,
                                                   " of the embedding's ", options_.vocabulary));
  }
  return absl::OkStatus();
}

absl::Status Model::ValidateLabels(absl::Span<const float> labels) const {
  const uint64_t width = outputs();
  for (size_t row = 0; row < labels.size(); ++row) {
    if (LabelAllowed(options_.loss, labels[row], width)) continue;
    return absl::InvalidArgumentError(absl::StrCat("model: the label of row ", row,
                                                   " of the batch is ", labels[row], ", wanted ",
                                                   LabelsWanted(options_.loss, width)));
  }
  return absl::OkStatus();
}

absl::Status Model::Reserve(uint64_t samples) {
  if (samples <= capacity_) return absl::OkStatus();
  capacity_ = 0;  // Until all of it is there.
  const auto take = [this](uint64_t elements, std::unique_ptr<kernels::Buffer>& buffer) {
    buffer.reset();  // First, so that the old and the new need not fit together.
    ASSIGN_OR_RETURN(buffer, kernels_->Allocate(std::max<uint64_t>(elements, 1)));
    return absl::OkStatus();
  };
  RETURN_IF_ERROR(take(layers_->saved_elements(samples), saved_));
  RETURN_IF_ERROR(take(layers_->scratch_elements(*kernels_, samples), scratch_));
  RETURN_IF_ERROR(take(samples * outputs(), outputs_));
  RETURN_IF_ERROR(take(samples * outputs(), output_gradient_));
  RETURN_IF_ERROR(take(samples * features_, batch_features_));
  RETURN_IF_ERROR(take(samples, batch_labels_));
  RETURN_IF_ERROR(take(2 * samples, totals_));
  host_totals_.resize(2 * samples);
  capacity_ = samples;
  return absl::OkStatus();
}

absl::Status Model::Forward(const Batch& batch, const Pass& pass) {
  const uint64_t samples = batch.samples;
  RETURN_IF_ERROR(
      kernels_->Upload(batch.features, batch_features_->array().Slice(0, batch.features.size())));
  RETURN_IF_ERROR(kernels_->Upload(batch.labels, batch_labels_->array().Slice(0, samples)));
  ForwardArguments arguments;
  arguments.input = Input(samples);
  arguments.parameters = parameters_->array();
  arguments.output = Output(*outputs_, samples);
  arguments.saved = saved_->array();
  arguments.scratch = scratch_->array();
  arguments.pass = pass;
  return layers_->Forward(*kernels_, arguments);
}

absl::Status Model::ComputeLoss(uint64_t samples, Matrix gradient, float label_smoothing) {
  kernels::LossArguments arguments;
  arguments.outputs = Output(*outputs_, samples);
  arguments.labels = batch_labels_->array().Slice(0, samples);
  arguments.losses = totals_->array().Slice(0, samples);
  arguments.correct = totals_->array().Slice(samples, samples);
  arguments.gradient = gradient;
  arguments.label_smoothing = label_smoothing;
  return kernels_->ComputeLoss(options_.loss, arguments);
}

absl::Status Model::Backward(uint64_t samples, const Pass& pass) {
  BackwardArguments arguments;
  arguments.input = Input(samples);
  arguments.output = Output(*outputs_, samples);
  arguments.parameters = parameters_->array();
  arguments.output_gradient = Output(*output_gradient_, samples);
  arguments.parameter_gradient = parameter_gradient_->array();
  arguments.saved = saved_->array();
  arguments.scratch = scratch_->array();
  arguments.pass = pass;
  return layers_->Backward(*kernels_, arguments);
}

// Adds in the order of the samples, in double.
absl::StatusOr<BatchResult> Model::Result(uint64_t samples) {
  const absl::Span<float> totals = absl::MakeSpan(host_totals_).subspan(0, 2 * samples);
  RETURN_IF_ERROR(kernels_->Download(totals_->array().Slice(0, 2 * samples), totals));
  BatchResult result;
  result.samples = samples;
  for (const float loss : totals.subspan(0, samples)) result.loss_sum += loss;
  for (const float correct : totals.subspan(samples)) result.correct += correct == 1;
  return result;
}

ConstMatrix Model::Input(uint64_t samples) const {
  return {batch_features_->array().Slice(0, samples * features_), samples, features_};
}

Matrix Model::Output(const kernels::Buffer& buffer, uint64_t samples) const {
  return {buffer.array().Slice(0, samples * outputs()), samples, outputs()};
}

}  // namespace paceline
