#include "worker/model/model_testing.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/random.h"
#include "common/job/job_spec.h"

namespace paceline {

std::vector<kernels::BackendChoice> ModelBackends() {
  using kernels::BackendChoice;
  static const bool kHasCuda = kernels::CreateKernels(BackendChoice::kCuda).ok();
  if (kHasCuda) return {BackendChoice::kCpu, BackendChoice::kCuda};
  return {BackendChoice::kCpu};
}

absl::StatusOr<std::unique_ptr<Model>> ModelOf(const std::string& yaml, uint64_t features,
                                               kernels::BackendChoice backend) {
  const auto spec = ParseJobSpec(
      absl::StrCat("{name: test, data: {format: csv, train: {path: none}}, model: ", yaml, "}"),
      "test", {});
  INFO(spec.status().ToString());
  REQUIRE(spec.ok());
  return Model::Create(spec->model(), features, *kernels::CreateKernels(backend));
}

std::vector<float> RandomNumbers(uint64_t count, const std::string& purpose) {
  const RandomStream stream(3, purpose);
  std::vector<float> values(count);
  for (uint64_t i = 0; i < count; ++i) values[i] = 2 * stream.Uniform(i) - 1;
  return values;
}

double WorstDifference(Model& model, const Batch& batch, std::vector<float> parameters) {
  constexpr float kStep = 1.0f / 128;
  std::vector<float> gradient(parameters.size()), other(parameters.size());
  REQUIRE(model.SetParameters(parameters).ok());
  REQUIRE(model.Gradient(batch, absl::MakeSpan(gradient)).ok());
  const auto loss_at = [&](size_t i, float value) {
    const float before = std::exchange(parameters[i], value);
    REQUIRE(model.SetParameters(parameters).ok());
    parameters[i] = before;
    return model.Gradient(batch, absl::MakeSpan(other))->loss_sum;
  };
  double worst = 0;
  for (size_t i = 0; i < parameters.size(); ++i) {
    const float up = parameters[i] + kStep, down = parameters[i] - kStep;
    const double slope = (loss_at(i, up) - loss_at(i, down)) / (double{up} - down);
    worst = std::max(worst, std::abs(slope - gradient[i]));
  }
  return worst;
}

}  // namespace paceline
