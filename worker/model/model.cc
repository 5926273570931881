#include "worker/model/model.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "proto/job.pb.h"
#include "worker/model/activation_layer.h"
#include "worker/model/linear.h"

namespace paceline {
namespace {

using kernels::Activation;
using kernels::Array;
using kernels::ConstMatrix;
using kernels::Kernels;
using kernels::Matrix;

// 4 TiB of float32: past any machine, and far from overflow.
constexpr uint64_t kParameterElementsMax = uint64_t{1} << 40;
constexpr uint64_t kUnitsMax = uint64_t{1} << 20;
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

absl::StatusOr<std::unique_ptr<Layer>> MakeLayer(const v1::LayerSpec& spec, int index,
                                                 uint64_t inputs) {
  switch (spec.kind_case()) {
    case v1::LayerSpec::kLinear: {
      const uint64_t units = spec.linear().units();
      if (units < 1 || units > kUnitsMax) {
        return absl::InvalidArgumentError(
            absl::StrCat("model: layers.", index, " has ", units, " units, wanted 1..", kUnitsMax));
      }
      return std::make_unique<Linear>(inputs, units);
    }
    case v1::LayerSpec::kRelu:
      return std::make_unique<ActivationLayer>(Activation::kRelu, inputs);
    case v1::LayerSpec::kTanh:
      return std::make_unique<ActivationLayer>(Activation::kTanh, inputs);
    case v1::LayerSpec::kSigmoid:
      return std::make_unique<ActivationLayer>(Activation::kSigmoid, inputs);
    default:
      return absl::InvalidArgumentError(
          absl::StrCat("model: layers.", index, " is of no kind that this program knows"));
  }
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

Model::Model(uint64_t features, kernels::Loss loss, std::unique_ptr<Kernels> kernels)
    : features_(features), loss_(loss), kernels_(std::move(kernels)) {}

absl::StatusOr<std::unique_ptr<Model>> Model::Create(const v1::ModelSpec& spec, uint64_t features,
                                                     std::unique_ptr<Kernels> kernels) {
  if (features < 1 || features > kFeaturesMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("model: samples have ", features, " features, wanted 1..", kFeaturesMax));
  }
  if (spec.layers().empty()) return absl::InvalidArgumentError("model: no layers");
  ASSIGN_OR_RETURN(const kernels::Loss loss, LossOf(spec));
  std::unique_ptr<Model> model(new Model(features, loss, std::move(kernels)));
  RETURN_IF_ERROR(model->AddLayers(spec));
  RETURN_IF_ERROR(model->ValidateLossWidth());
  ASSIGN_OR_RETURN(model->parameters_, model->kernels_->Allocate(model->parameter_elements_));
  ASSIGN_OR_RETURN(model->parameter_gradient_,
                   model->kernels_->Allocate(model->parameter_elements_));
  return model;
}

absl::Status Model::AddLayers(const v1::ModelSpec& spec) {
  uint64_t width = features_;
  for (int i = 0; i < spec.layers_size(); ++i) {
    Stage stage;
    ASSIGN_OR_RETURN(stage.layer, MakeLayer(spec.layers(i), i, width));
    stage.parameters_begin = parameter_elements_;
    parameter_elements_ += stage.layer->parameter_elements();
    if (parameter_elements_ > kParameterElementsMax) {
      return absl::InvalidArgumentError(
          absl::StrCat("model: layers 0..", i, " have ", parameter_elements_,
                       " parameter elements, wanted at most ", kParameterElementsMax));
    }
    width = stage.layer->outputs();
    width_max_ = std::max(width_max_, width);
    stages_.push_back(std::move(stage));
  }
  if (parameter_elements_ > 0) return absl::OkStatus();
  return absl::InvalidArgumentError("model: no layer has parameters, so nothing can be trained");
}

absl::Status Model::ValidateLossWidth() const {
  const uint64_t width = stages_.back().layer->outputs();
  if (loss_ == kernels::Loss::kSoftmaxCrossEntropy || width == 1) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "model: the last layer has width ", width, ", but loss ",
      loss_ == kernels::Loss::kSquaredError ? "mse" : "sigmoid_cross_entropy", " wants width 1"));
}

absl::Status Model::SetParameters(absl::Span<const float> flat) {
  RETURN_IF_ERROR(Sizes("the parameter vector", flat.size(), parameter_elements_));
  has_parameters_ = false;
  RETURN_IF_ERROR(kernels_->Upload(flat, parameters_->array()));
  has_parameters_ = true;
  return absl::OkStatus();
}

absl::StatusOr<BatchResult> Model::Gradient(const Batch& batch, absl::Span<float> gradient_sum) {
  RETURN_IF_ERROR(Sizes("the gradient vector", gradient_sum.size(), parameter_elements_));
  RETURN_IF_ERROR(ValidateBatch(batch));
  RETURN_IF_ERROR(Reserve(batch.samples));

  RETURN_IF_ERROR(Forward(batch));
  RETURN_IF_ERROR(ComputeLoss(batch.samples, OutputGradient(stages_.size() - 1, batch.samples)));
  RETURN_IF_ERROR(Backward(batch.samples));

  RETURN_IF_ERROR(kernels_->Download(parameter_gradient_->array(), gradient_sum));
  return Result(batch.samples);
}

absl::StatusOr<BatchResult> Model::Evaluate(const Batch& batch) {
  RETURN_IF_ERROR(ValidateBatch(batch));
  RETURN_IF_ERROR(Reserve(batch.samples));

  RETURN_IF_ERROR(Forward(batch));
  RETURN_IF_ERROR(ComputeLoss(batch.samples, {}));
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
  return ValidateLabels(batch.labels);
}

absl::Status Model::ValidateLabels(absl::Span<const float> labels) const {
  const uint64_t width = stages_.back().layer->outputs();
  for (size_t row = 0; row < labels.size(); ++row) {
    if (LabelAllowed(loss_, labels[row], width)) continue;
    return absl::InvalidArgumentError(absl::StrCat("model: the label of row ", row,
                                                   " of the batch is ", labels[row], ", wanted ",
                                                   LabelsWanted(loss_, width)));
  }
  return absl::OkStatus();
}

absl::Status Model::Reserve(uint64_t samples) {
  if (samples <= capacity_) return absl::OkStatus();
  capacity_ = 0;  // Until all of it is there.
  const auto take = [this](uint64_t elements, std::unique_ptr<kernels::Buffer>& buffer) {
    buffer.reset();  // First, so that the old and the new need not fit together.
    ASSIGN_OR_RETURN(buffer, kernels_->Allocate(elements));
    return absl::OkStatus();
  };
  for (Stage& stage : stages_) {
    RETURN_IF_ERROR(take(samples * stage.layer->outputs(), stage.output));
  }
  for (auto& gradient : gradients_) RETURN_IF_ERROR(take(samples * width_max_, gradient));
  RETURN_IF_ERROR(take(samples * features_, batch_features_));
  RETURN_IF_ERROR(take(samples, batch_labels_));
  RETURN_IF_ERROR(take(2 * samples, totals_));
  host_totals_.resize(2 * samples);
  capacity_ = samples;
  return absl::OkStatus();
}

absl::Status Model::Forward(const Batch& batch) {
  const uint64_t samples = batch.samples;
  RETURN_IF_ERROR(
      kernels_->Upload(batch.features, batch_features_->array().Slice(0, batch.features.size())));
  RETURN_IF_ERROR(kernels_->Upload(batch.labels, batch_labels_->array().Slice(0, samples)));
  for (size_t i = 0; i < stages_.size(); ++i) {
    const Layer& layer = *stages_[i].layer;
    const Array parameters =
        parameters_->array().Slice(stages_[i].parameters_begin, layer.parameter_elements());
    RETURN_IF_ERROR(layer.Forward(*kernels_, Input(i, samples), parameters, Output(i, samples)));
  }
  return absl::OkStatus();
}

absl::Status Model::ComputeLoss(uint64_t samples, Matrix gradient) {
  kernels::LossArguments arguments;
  arguments.outputs = Output(stages_.size() - 1, samples);
  arguments.labels = batch_labels_->array().Slice(0, samples);
  arguments.losses = totals_->array().Slice(0, samples);
  arguments.correct = totals_->array().Slice(samples, samples);
  arguments.gradient = gradient;
  return kernels_->ComputeLoss(loss_, arguments);
}

absl::Status Model::Backward(uint64_t samples) {
  for (size_t i = stages_.size(); i-- > 0;) {
    const Layer& layer = *stages_[i].layer;
    const uint64_t begin = stages_[i].parameters_begin;
    BackwardArguments arguments;
    arguments.input = Input(i, samples);
    arguments.output = Output(i, samples);
    arguments.parameters = parameters_->array().Slice(begin, layer.parameter_elements());
    arguments.output_gradient = OutputGradient(i, samples);
    arguments.parameter_gradient =
        parameter_gradient_->array().Slice(begin, layer.parameter_elements());
    if (i > 0) arguments.input_gradient = OutputGradient(i - 1, samples);
    RETURN_IF_ERROR(layer.Backward(*kernels_, arguments));
  }
  return absl::OkStatus();
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

ConstMatrix Model::Input(size_t stage, uint64_t samples) const {
  if (stage > 0) return Output(stage - 1, samples);
  return {batch_features_->array().Slice(0, samples * features_), samples, features_};
}

Matrix Model::Output(size_t stage, uint64_t samples) const {
  const uint64_t width = stages_[stage].layer->outputs();
  return {stages_[stage].output->array().Slice(0, samples * width), samples, width};
}

Matrix Model::OutputGradient(size_t stage, uint64_t samples) const {
  const uint64_t width = stages_[stage].layer->outputs();
  return {gradients_[stage % 2]->array().Slice(0, samples * width), samples, width};
}

}  // namespace paceline
