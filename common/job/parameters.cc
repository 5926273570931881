#include "common/job/parameters.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/base/random.h"
#include "common/base/status_macros.h"
#include "common/job/layer_plan.h"

namespace paceline {
namespace {

void AppendParameters(const std::vector<LayerPlan>& plans, std::vector<ParameterInfo>* list) {
  for (const LayerPlan& plan : plans) {
    list->insert(list->end(), plan.parameters.begin(), plan.parameters.end());
    AppendParameters(plan.inner, list);
  }
}

absl::StatusOr<std::vector<ParameterInfo>> ParametersOfLayers(const v1::ModelSpec& model,
                                                              uint64_t features) {
  if (features == 0) {
    return absl::InvalidArgumentError(
        "the data has 0 features; a model with layers wants at least 1");
  }
  ASSIGN_OR_RETURN(const std::vector<LayerPlan> plans, PlanLayers(model, features));
  std::vector<ParameterInfo> list;
  AppendParameters(plans, &list);
  return list;
}

absl::Status AppendBare(const v1::ParameterSpec& bare, std::vector<ParameterInfo>* list) {
  ParameterInfo parameter;
  parameter.name = bare.name();
  parameter.shape.assign(bare.shape().begin(), bare.shape().end());
  parameter.initial_value = bare.initial();
  if (std::find(parameter.shape.begin(), parameter.shape.end(), 0) != parameter.shape.end()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "parameter '", parameter.name, "' has a dimension of 0; every dimension is at least 1"));
  }
  uint64_t total = TotalElements(*list);
  RETURN_IF_ERROR(PlaceParameter(&parameter, &total));
  list->push_back(std::move(parameter));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<ParameterInfo>> ParametersOf(const v1::JobSpec& spec,
                                                        const v1::DatasetFacts& facts) {
  if (spec.model().layers_size() > 0) return ParametersOfLayers(spec.model(), facts.features());
  std::vector<ParameterInfo> list;
  for (const v1::ParameterSpec& bare : spec.model().parameters()) {
    RETURN_IF_ERROR(AppendBare(bare, &list));
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
