#include "worker/model/model.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "common/job/parameters.h"
#include "kernels/backend.h"
#include "proto/job.pb.h"
#include "worker/model/model_testing.h"
#include "worker/model/pytorch_fixture.h"

namespace paceline {
namespace {

using Values = std::vector<float>;
constexpr auto kSoftmax = v1::ModelSpec::SOFTMAX_CROSS_ENTROPY;
constexpr auto kSigmoid = v1::ModelSpec::SIGMOID_CROSS_ENTROPY;
constexpr auto kMse = v1::ModelSpec::MSE;

// A spec from words: "tanh", or a count of units.
v1::ModelSpec Spec(v1::ModelSpec::Loss loss, const std::vector<std::string>& layers) {
  v1::ModelSpec spec;
  spec.set_loss(loss);
  for (const std::string& word : layers) {
    v1::LayerSpec* layer = spec.add_layers();
    if (word == "relu") {
      layer->mutable_relu();
    } else if (word == "tanh") {
      layer->mutable_tanh();
    } else if (word == "sigmoid") {
      layer->mutable_sigmoid();
    } else {
      layer->mutable_linear()->set_units(static_cast<uint32_t>(std::stoul(word)));
    }
  }
  return spec;
}

using kernels::BackendChoice;

absl::StatusOr<std::unique_ptr<Model>> Create(const v1::ModelSpec& spec, uint64_t features,
                                              BackendChoice choice = BackendChoice::kCpu) {
  return Model::Create(spec, features, *kernels::CreateKernels(choice));
}

// A batch that owns its numbers.
struct Samples {
  Values features;
  Values labels;
  Batch batch() const { return {labels.size(), features, labels, 0}; }
};

// Labels 0, 1, ... classes - 1 by turns.
Samples RandomSamples(uint64_t samples, uint64_t features, int classes,
                      const std::string& purpose) {
  Samples result{RandomNumbers(samples * features, purpose), {}};
  for (uint64_t i = 0; i < samples; ++i) result.labels.push_back(static_cast<float>(i % classes));
  return result;
}

bool SameBits(const Values& a, const Values& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

TEST_CASE("losses and gradients are PyTorch's") {
  const BackendChoice backend = GENERATE(from_range(ModelBackends()));
  for (const PytorchFixture& f : PytorchFixtures()) {
    INFO(f.activation << " " << f.loss);
    const std::string loss = f.loss;
    const auto wanted = loss == "mse" ? kMse : loss[1] == 'o' ? kSoftmax : kSigmoid;
    auto model = *Create(Spec(wanted, {"5", f.activation, std::to_string(f.units)}), 3, backend);
    REQUIRE(model->parameter_elements() == f.parameters.size());
    REQUIRE(model->SetParameters(f.parameters).ok());
    Values gradient(f.parameters.size());

    const auto result = model->Gradient({4, f.features, f.labels, 0}, absl::MakeSpan(gradient));

    REQUIRE(result.ok());
    CHECK(result->samples == 4);
    CHECK(result->loss_sum == Approx(f.loss_sum).epsilon(1e-6));
    for (size_t i = 0; i < gradient.size(); ++i) {
      INFO("element " << i);
      CHECK(gradient[i] == Approx(f.gradient_sum[i]).epsilon(1e-5).margin(1e-6));
    }
  }
}

TEST_CASE("every layer under every loss agrees with finite differences") {
  const std::string layer = GENERATE("relu", "tanh", "sigmoid", "4");
  const auto [loss, width, classes] = GENERATE(table<v1::ModelSpec::Loss, std::string, int>(
      {{kSoftmax, "3", 3}, {kSigmoid, "1", 2}, {kMse, "1", 5}}));
  INFO(layer << " under loss " << loss);
  auto model = *Create(Spec(loss, {"6", layer, width}), 5);
  const Samples samples = RandomSamples(7, 5, classes, "finite differences");
  Values parameters = RandomNumbers(model->parameter_elements(), "parameters");
  // No relu may change sides within a step: hidden units are far on one side or the other, for
  // |x W| is below 5 * 0.5.
  for (int i = 0; i < 30; ++i) parameters[i] *= 0.5f;
  for (int i = 30; i < 36; ++i) parameters[i] = layer == "relu" ? (i % 2 == 0 ? 3 : -3) : 0.1f;

  CHECK(WorstDifference(*model, samples.batch(), parameters) < 1e-3);
}

TEST_CASE("layers without parameters may come first, last and in a row") {
  auto model = *Create(Spec(kSoftmax, {"tanh", "4", "sigmoid", "tanh", "3", "tanh"}), 5);
  const Samples samples = RandomSamples(7, 5, 3, "stack");
  REQUIRE(model->parameter_elements() == 5 * 4 + 4 + 4 * 3 + 3);

  const Values parameters = RandomNumbers(model->parameter_elements(), "parameters");

  CHECK(WorstDifference(*model, samples.batch(), parameters) < 1e-3);
}

TEST_CASE("evaluation gives the loss and the hits of the gradient's own forward") {
  auto model = *Create(Spec(kSoftmax, {"8", "relu", "4"}), 6);
  REQUIRE(model->SetParameters(RandomNumbers(model->parameter_elements(), "parameters")).ok());
  const Samples samples = RandomSamples(50, 6, 4, "evaluate");
  Values gradient(model->parameter_elements());

  const auto trained = model->Gradient(samples.batch(), absl::MakeSpan(gradient));
  const auto evaluated = model->Evaluate(samples.batch());

  REQUIRE(trained.ok());
  REQUIRE(evaluated.ok());
  CHECK(evaluated->loss_sum == trained->loss_sum);
  CHECK(evaluated->correct == trained->correct);
  CHECK(evaluated->samples == 50);
  CHECK(evaluated->correct > 0);
  CHECK(evaluated->correct < 50);
}

TEST_CASE(
    "hits are counted: an identity layer predicts its largest feature, mse predicts nothing") {
  auto classifier = *Create(Spec(kSoftmax, {"2"}), 2);
  REQUIRE(classifier->SetParameters({1, 0, 0, 1, 0, 0}).ok());
  auto line = *Create(Spec(kMse, {"1"}), 2);
  REQUIRE(line->SetParameters({1, 1, 0}).ok());
  const Values features = {5, 1, 1, 5, 5, 1};
  const Values labels = {0, 1, 1};

  CHECK(classifier->Evaluate({3, features, labels, 0})->correct == 2);
  CHECK(line->Evaluate({3, features, labels, 0})->correct == 0);
  // (6 - 0)^2 + (6 - 1)^2 + (6 - 1)^2.
  CHECK(line->Evaluate({3, features, labels, 0})->loss_sum == 86);
}

TEST_CASE("a gradient is the same bits twice, after other batches, and in another model") {
  const BackendChoice backend = GENERATE(from_range(ModelBackends()));
  const v1::ModelSpec spec = Spec(kSoftmax, {"128", "relu", "10"});
  auto model = *Create(spec, 784, backend);
  const Values parameters = RandomNumbers(model->parameter_elements(), "parameters");
  REQUIRE(model->SetParameters(parameters).ok());
  const Samples shard = RandomSamples(32, 784, 10, "shard");
  Values first(parameters.size()), again(parameters.size()), other(parameters.size(), 7.0f);
  const auto wanted = model->Gradient(shard.batch(), absl::MakeSpan(first));
  REQUIRE(wanted.ok());

  // Larger, smaller, and one that fills every buffer with NaN.
  for (const uint64_t count : {100, 1, 32}) {
    Samples between = RandomSamples(count, 784, 10, "between");
    if (count == 32) between.features[5] = std::numeric_limits<float>::quiet_NaN();
    REQUIRE(model->Gradient(between.batch(), absl::MakeSpan(again)).ok());
  }
  const auto repeated = model->Gradient(shard.batch(), absl::MakeSpan(again));
  auto second = *Create(spec, 784, backend);
  REQUIRE(second->SetParameters(parameters).ok());
  const auto elsewhere = second->Gradient(shard.batch(), absl::MakeSpan(other));

  CHECK(SameBits(again, first));
  CHECK(SameBits(other, first));
  CHECK(repeated->loss_sum == wanted->loss_sum);
  CHECK(elsewhere->loss_sum == wanted->loss_sum);
}

TEST_CASE("the gradient of a batch is the sum over its samples") {
  auto model = *Create(Spec(kSigmoid, {"4", "tanh", "1"}), 3);
  const size_t elements = model->parameter_elements();
  REQUIRE(model->SetParameters(RandomNumbers(elements, "parameters")).ok());
  const Samples samples = RandomSamples(5, 3, 2, "sum");
  Values whole(elements);
  Values one(elements);
  std::vector<double> sum(elements);

  REQUIRE(model->Gradient(samples.batch(), absl::MakeSpan(whole)).ok());
  for (int i = 0; i < 5; ++i) {
    const Batch batch = {1, absl::MakeConstSpan(samples.features).subspan(i * 3, 3),
                         absl::MakeConstSpan(samples.labels).subspan(i, 1), 0};
    REQUIRE(model->Gradient(batch, absl::MakeSpan(one)).ok());
    for (size_t j = 0; j < elements; ++j) sum[j] += one[j];
  }

  for (size_t j = 0; j < elements; ++j) CHECK(whole[j] == Approx(sum[j]).margin(1e-5));
}

TEST_CASE("the flat layout is the job's") {
  v1::JobSpec job;
  *job.mutable_model() = Spec(kSoftmax, {"7", "relu", "5", "tanh", "3"});
  v1::DatasetFacts facts;
  facts.set_features(11);
  const auto parameters = ParametersOf(job, facts);
  REQUIRE(parameters.ok());
  auto model = *Create(job.model(), 11);

  REQUIRE(model->parameter_elements() == TotalElements(*parameters));

  // The bias gradient of the last layer is softmax - label, summed: found at the layout's offset,
  // it sums to 0 over the classes and matches one worked out by hand for all-zero parameters.
  const ParameterInfo& bias = parameters->back();
  REQUIRE(bias.name == "layers.4.bias");
  REQUIRE(model->SetParameters(Values(model->parameter_elements())).ok());
  Values gradient(model->parameter_elements());
  const Samples samples = RandomSamples(3, 11, 2, "layout");
  REQUIRE(model->Gradient(samples.batch(), absl::MakeSpan(gradient)).ok());
  // Labels 0, 1, 0 under probabilities 1/3.
  CHECK(gradient[bias.offset] == Approx(-1));
  CHECK(gradient[bias.offset + 1] == Approx(0).margin(1e-6));
  CHECK(gradient[bias.offset + 2] == Approx(1));
  REQUIRE((*parameters)[0].shape == std::vector<uint64_t>{11, 7});
  REQUIRE((*parameters)[1].offset == 77);
}

TEST_CASE("layers and losses that do not fit each other are refused") {
  v1::ModelSpec no_kind = Spec(kSoftmax, {"3"});
  no_kind.add_layers();
  const auto refused = [](const v1::ModelSpec& spec, uint64_t features = 4) {
    const absl::Status status = Create(spec, features).status();
    return absl::IsInvalidArgument(status) ? std::string(status.message()) : "NOT REFUSED";
  };

  CHECK(refused(Spec(kMse, {"8", "relu", "2"})) ==
        "model.layers[2].linear.units is 2, but model.loss mse wants a last layer of width 1");
  CHECK(
      refused(Spec(kSoftmax, {})) ==
      "model.layers has no layer with parameters; wanted at least one, or nothing can be trained");
  CHECK(refused(Spec(kSoftmax, {"relu", "0"})) ==
        "model.layers[1].linear.units is 0; wanted the width of the layer's output");
  CHECK(refused(no_kind).find("model.layers[1] is empty; wanted one of ") == 0);
  CHECK(refused(Spec(v1::ModelSpec::LOSS_UNSPECIFIED, {"3"})) ==
        "model: loss is 0, wanted softmax_cross_entropy, mse or sigmoid_cross_entropy");
  CHECK(refused(Spec(kSoftmax, {"3"}), 0) ==
        "model: samples have 0 features, wanted 1..2147483647");
  CHECK(refused(Spec(kSoftmax, {"1048576", "1048576"}))
            .find("parameter 'layers.1.weight' brings the job") == 0);
}

TEST_CASE("labels that the loss does not allow are refused by row and nothing is written") {
  const auto [loss, width, label, wanted] =
      GENERATE(table<v1::ModelSpec::Loss, std::string, float, std::string>({
          {kSoftmax, "3", 3.0f, "is 3, wanted a class 0..2 of the last layer's 3 units"},
          {kSoftmax, "3", -1.0f, "is -1, wanted a class 0..2 of the last layer's 3 units"},
          {kSoftmax, "3", 0.5f, "is 0.5, wanted a class 0..2 of the last layer's 3 units"},
          {kSoftmax, "3", NAN, "is nan, wanted a class 0..2 of the last layer's 3 units"},
          {kSigmoid, "1", 2.0f, "is 2, wanted 0 or 1"},
          {kMse, "1", INFINITY, "is inf, wanted a finite number"},
      }));
  auto model = *Create(Spec(loss, {width}), 2);
  const size_t elements = model->parameter_elements();
  REQUIRE(model->SetParameters(Values(elements)).ok());
  const Values features(6);
  const Values labels = {0, 1, label};
  Values gradient(elements, 9.0f);

  const auto result = model->Gradient({3, features, labels, 0}, absl::MakeSpan(gradient));

  CHECK(absl::IsInvalidArgument(result.status()));
  CHECK(result.status().message() == "model: the label of row 2 of the batch " + wanted);
  CHECK(gradient == Values(elements, 9.0f));
  CHECK(absl::IsInvalidArgument(model->Evaluate({3, features, labels, 0}).status()));
}

TEST_CASE("batches and vectors of the wrong size are refused and nothing is written") {
  auto model = *Create(Spec(kSoftmax, {"2"}), 2);
  REQUIRE(model->SetParameters(Values(6)).ok());
  const Values six(6), three(3);
  Values gradient(6, 9.0f);
  const absl::Span<float> out = absl::MakeSpan(gradient);

  CHECK(absl::IsInvalidArgument(model->Gradient({2, six, three, 0}, out).status()));
  CHECK(absl::IsInvalidArgument(model->Gradient({3, three, three, 0}, out).status()));
  CHECK(absl::IsInvalidArgument(model->Gradient({3, six, six, 0}, out).status()));
  CHECK(absl::IsInvalidArgument(model->Gradient({0, {}, {}, 0}, out).status()));
  CHECK(absl::IsInvalidArgument(model->Gradient({3, six, three, 0}, out.subspan(1)).status()));
  CHECK(absl::IsInvalidArgument(model->SetParameters(three)));

  CHECK(gradient == Values(6, 9.0f));
  CHECK(model->Gradient({3, six, three, 0}, out).ok());
}

TEST_CASE("a model without parameters yet computes nothing") {
  auto model = *Create(Spec(kSoftmax, {"2"}), 2);
  const Values features(2), labels(1);
  Values gradient(6, 9.0f);

  const auto result = model->Gradient({1, features, labels, 0}, absl::MakeSpan(gradient));

  CHECK(absl::IsFailedPrecondition(result.status()));
  CHECK(absl::IsFailedPrecondition(model->Evaluate({1, features, labels, 0}).status()));
  CHECK(gradient == Values(6, 9.0f));
}

}  // namespace
}  // namespace paceline
