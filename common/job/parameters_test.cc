#include "common/job/parameters.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "absl/status/status.h"

namespace paceline {
namespace {

using Initial = ParameterInfo::Initial;

// linear 128, relu, linear `units` under `loss`.
v1::JobSpec Mlp(uint32_t units, v1::ModelSpec::Loss loss) {
  v1::JobSpec spec;
  spec.mutable_model()->add_layers()->mutable_linear()->set_units(128);
  spec.mutable_model()->add_layers()->mutable_relu();
  spec.mutable_model()->add_layers()->mutable_linear()->set_units(units);
  spec.mutable_model()->set_loss(loss);
  return spec;
}

v1::DatasetFacts Features(uint64_t features) {
  v1::DatasetFacts facts;
  facts.set_features(features);
  return facts;
}

v1::JobSpec Bare(const std::vector<std::vector<uint64_t>>& shapes) {
  v1::JobSpec spec;
  for (const std::vector<uint64_t>& shape : shapes) {
    v1::ParameterSpec* parameter = spec.mutable_model()->add_parameters();
    parameter->set_name("p" + std::to_string(spec.model().parameters_size()));
    for (const uint64_t dimension : shape) parameter->add_shape(dimension);
    parameter->set_initial(0.5f);
  }
  return spec;
}

TEST_CASE("a model's parameters follow its linear layers, weight before bias") {
  const auto list =
      ParametersOf(Mlp(10, v1::ModelSpec::SOFTMAX_CROSS_ENTROPY), Features(784)).value();

  REQUIRE(list.size() == 4);
  CHECK(list[0].name == "layers.0.weight");
  CHECK(list[0].shape == std::vector<uint64_t>{784, 128});
  CHECK(list[1].name == "layers.0.bias");
  CHECK(list[1].shape == std::vector<uint64_t>{128});
  CHECK(list[2].name == "layers.2.weight");
  CHECK(list[2].shape == std::vector<uint64_t>{128, 10});
  CHECK(list[3].name == "layers.2.bias");
  // 784 * 128 = 100352; + 128 = 100480; + 1280 = 101760; + 10 = 101770.
  CHECK(list[1].offset == 100352);
  CHECK(list[2].offset == 100480);
  CHECK(list[3].offset == 101760);
  CHECK(TotalElements(list) == 101770);
}

TEST_CASE("a weight starts by He before a relu and by Glorot elsewhere; a bias starts at 0") {
  const auto list =
      ParametersOf(Mlp(10, v1::ModelSpec::SOFTMAX_CROSS_ENTROPY), Features(784)).value();

  CHECK(list[0].initial == Initial::kUniform);
  CHECK(list[0].initial_value == Approx(std::sqrt(6.0 / 784)));
  CHECK(list[2].initial_value == Approx(std::sqrt(6.0 / (128 + 10))));
  CHECK(list[1].initial == Initial::kConstant);
  CHECK(list[1].initial_value == 0);
}

TEST_CASE("bare parameters keep their order, shape and initial value") {
  const auto list = ParametersOf(Bare({{2, 3}, {}, {5}}), {}).value();

  REQUIRE(list.size() == 3);
  CHECK(list[0].elements == 6);
  CHECK(list[1].elements == 1);
  CHECK(list[2].offset == 7);
  CHECK(list[2].initial_value == 0.5f);
}

TEST_CASE("a last layer that does not fit the loss is refused with both values") {
  for (const auto loss : {v1::ModelSpec::MSE, v1::ModelSpec::SIGMOID_CROSS_ENTROPY}) {
    CHECK(ParametersOf(Mlp(1, loss), Features(4)).ok());
    CHECK(absl::IsInvalidArgument(ParametersOf(Mlp(10, loss), Features(4)).status()));
  }
  CHECK(ParametersOf(Mlp(10, v1::ModelSpec::MSE), Features(4)).status().message() ==
        "model.layers[2].linear.units is 10, but model.loss mse wants a last layer of width 1");
}

TEST_CASE("a model without a linear layer, without features or without anything is refused") {
  v1::JobSpec relu;
  relu.mutable_model()->add_layers()->mutable_relu();

  CHECK(absl::IsInvalidArgument(ParametersOf(relu, Features(4)).status()));
  CHECK(absl::IsInvalidArgument(
      ParametersOf(Mlp(10, v1::ModelSpec::SOFTMAX_CROSS_ENTROPY), Features(0)).status()));
  CHECK(absl::IsInvalidArgument(
      ParametersOf(Mlp(0, v1::ModelSpec::SOFTMAX_CROSS_ENTROPY), Features(4)).status()));
  CHECK(absl::IsInvalidArgument(ParametersOf(v1::JobSpec(), Features(4)).status()));
}

TEST_CASE("sizes that overflow are refused, a job of exactly 2^40 elements is not") {
  const uint64_t huge = std::numeric_limits<uint64_t>::max();

  CHECK(absl::IsInvalidArgument(ParametersOf(Bare({{huge, huge}}), {}).status()));
  CHECK(absl::IsInvalidArgument(ParametersOf(Bare({{huge, 2}}), {}).status()));
  CHECK(absl::IsInvalidArgument(ParametersOf(Bare({{1u << 31, 1u << 31, 4}}), {}).status()));
  CHECK(absl::IsInvalidArgument(ParametersOf(Bare({{kMaxJobElements}, {}}), {}).status()));
  CHECK(absl::IsInvalidArgument(ParametersOf(Bare({{0}}), {}).status()));
  CHECK(ParametersOf(Bare({{1u << 20, 1u << 20}}), {}).ok());
  CHECK(absl::IsInvalidArgument(
      ParametersOf(Mlp(10, v1::ModelSpec::SOFTMAX_CROSS_ENTROPY), Features(huge)).status()));
}

TEST_CASE("initial values do not depend on the range they are asked for in") {
  const auto list =
      ParametersOf(Mlp(10, v1::ModelSpec::SOFTMAX_CROSS_ENTROPY), Features(784)).value();
  std::vector<float> whole(list[2].elements);
  std::vector<float> part(300);

  InitializeParameters(list[2], 7, 0, absl::MakeSpan(whole));
  InitializeParameters(list[2], 7, 100, absl::MakeSpan(part));

  CHECK(std::vector<float>(whole.begin() + 100, whole.begin() + 400) == part);
  double sum = 0;
  for (const float value : whole) {
    CHECK(std::abs(value) <= list[2].initial_value);
    sum += value;
  }
  // 1280 uniform values of deviation limit / sqrt(3): the mean is within five deviations of 0.
  CHECK(std::abs(sum / 1280) < 5 * list[2].initial_value / std::sqrt(3.0 * 1280));
}

TEST_CASE("initial values differ by seed and by name, and a constant is written everywhere") {
  const auto list =
      ParametersOf(Mlp(128, v1::ModelSpec::SOFTMAX_CROSS_ENTROPY), Features(128)).value();
  std::vector<float> a(8), b(8), c(8), bias(8, 1.0f);

  InitializeParameters(list[0], 7, 0, absl::MakeSpan(a));
  InitializeParameters(list[0], 8, 0, absl::MakeSpan(b));
  InitializeParameters(list[2], 7, 0, absl::MakeSpan(c));
  InitializeParameters(list[1], 7, 0, absl::MakeSpan(bias));

  CHECK(a != b);
  CHECK(a != c);
  CHECK(bias == std::vector<float>(8, 0.0f));
}

}  // namespace
}  // namespace paceline
