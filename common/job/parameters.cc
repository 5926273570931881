#include "common/job/parameters.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/base/random.h"
#include "common/base/status_macros.h"

namespace paceline {
namespace {

// Gives `parameter` its place behind the ones already in `list`.
absl::Status Append(ParameterInfo parameter, std::vector<ParameterInfo>* list) {
  const uint64_t before = TotalElements(*list);
  const uint64_t room = kMaxJobElements - before;
  uint64_t elements = 1;
  bool fits = room >= 1;
  for (const uint64_t dimension : parameter.shape) {
    if (dimension == 0) {
      return absl::InvalidArgumentError(absl::StrCat(
          "parameter '", parameter.name, "' has a dimension of 0; every dimension is at least 1"));
    }
    fits = fits && dimension <= room / elements;
    if (fits) elements *= dimension;
  }
  if (!fits) {
    return absl::InvalidArgumentError(
        absl::StrCat("parameter '", parameter.name, "' brings the job, which has ", before,
                     " elements without it, to more than ", kMaxJobElements, " (2^40)"));
  }
  parameter.elements = elements;
  parameter.offset = before;
  list->push_back(std::move(parameter));
  return absl::OkStatus();
}

// Half the width of the weight's initial distribution.
float InitialLimit(uint64_t in, uint64_t units, bool before_relu) {
  const double fan = before_relu ? static_cast<double>(in) : static_cast<double>(in + units);
  return static_cast<float>(std::sqrt(6.0 / fan));
}

absl::Status AppendLinear(int index, uint64_t in, uint64_t units, bool before_relu,
                          std::vector<ParameterInfo>* list) {
  if (units == 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "model.layers[", index, "].linear.units is 0; wanted the width of the layer's output"));
  }
  ParameterInfo weight;
  weight.name = absl::StrCat("layers.", index, ".weight");
  weight.shape = {in, units};
  weight.initial = ParameterInfo::Initial::kUniform;
  weight.initial_value = InitialLimit(in, units, before_relu);
  ParameterInfo bias;
  bias.name = absl::StrCat("layers.", index, ".bias");
  bias.shape = {units};
  RETURN_IF_ERROR(Append(std::move(weight), list));
  return Append(std::move(bias), list);
}

absl::Status CheckLoss(const v1::ModelSpec& model, int last_linear, uint64_t width) {
  const bool one_output =
      model.loss() == v1::ModelSpec::MSE || model.loss() == v1::ModelSpec::SIGMOID_CROSS_ENTROPY;
  if (!one_output || width == 1) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("model.layers[", last_linear, "].linear.units is ", width, ", but model.loss ",
                   absl::AsciiStrToLower(v1::ModelSpec::Loss_Name(model.loss())),
                   " wants a last layer of width 1"));
}

absl::StatusOr<std::vector<ParameterInfo>> ParametersOfLayers(const v1::ModelSpec& model,
                                                              uint64_t features) {
  if (features == 0) {
    return absl::InvalidArgumentError(
        "the data has 0 features; a model with layers wants at least 1");
  }
  std::vector<ParameterInfo> list;
  uint64_t width = features;
  int last_linear = -1;
  for (int i = 0; i < model.layers_size(); ++i) {
    if (!model.layers(i).has_linear()) continue;
    const uint64_t units = model.layers(i).linear().units();
    const bool before_relu = i + 1 < model.layers_size() && model.layers(i + 1).has_relu();
    RETURN_IF_ERROR(AppendLinear(i, width, units, before_relu, &list));
    width = units;
    last_linear = i;
  }
  if (last_linear < 0) {
    return absl::InvalidArgumentError(
        "model.layers has no linear layer; wanted at least one, the only kind with parameters");
  }
  RETURN_IF_ERROR(CheckLoss(model, last_linear, width));
  return list;
}

}  // namespace

absl::StatusOr<std::vector<ParameterInfo>> ParametersOf(const v1::JobSpec& spec,
                                                        const v1::DatasetFacts& facts) {
  if (spec.model().layers_size() > 0) return ParametersOfLayers(spec.model(), facts.features());
  std::vector<ParameterInfo> list;
  for (const v1::ParameterSpec& bare : spec.model().parameters()) {
    ParameterInfo parameter;
    parameter.name = bare.name();
    parameter.shape.assign(bare.shape().begin(), bare.shape().end());
    parameter.initial_value = bare.initial();
    RETURN_IF_ERROR(Append(std::move(parameter), &list));
  }
  if (list.empty()) {
    return absl::InvalidArgumentError(
        "model has neither layers nor parameters; wanted one of them");
  }
  return list;
}

uint64_t TotalElements(absl::Span<const ParameterInfo> parameters) {
  return parameters.empty() ? 0 : parameters.back().offset + parameters.back().elements;
}

void InitializeParameters(const ParameterInfo& parameter, uint64_t seed, uint64_t begin,
                          absl::Span<float> out) {
  PACELINE_CHECK(begin <= parameter.elements && out.size() <= parameter.elements - begin);
  if (parameter.initial == ParameterInfo::Initial::kConstant) {
    std::fill(out.begin(), out.end(), parameter.initial_value);
    return;
  }
  const RandomStream stream(seed, absl::StrCat("initial/", parameter.name));
  for (size_t i = 0; i < out.size(); ++i) {
    // 2u - 1 is exact in float32, so there is one rounding, the same everywhere.
    out[i] = (2.0f * stream.Uniform(begin + i) - 1.0f) * parameter.initial_value;
  }
}

}  // namespace paceline
