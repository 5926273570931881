// Every kind of layer in small models: against PyTorch's numbers, against finite differences, and
// what each promises of its own.
#include <catch2/catch.hpp>
#include <cmath>
#include <string>
#include <vector>

#include "worker/model/model_testing.h"
#include "worker/model/pytorch_layers.h"

namespace paceline {
namespace {

using kernels::BackendChoice;
using Values = std::vector<float>;

std::string Softmax(const std::string& layers) {
  return "{layers: " + layers + ", loss: softmax_cross_entropy}";
}

TEST_CASE("every kind of layer has PyTorch's losses and gradients") {
  const BackendChoice backend = GENERATE(from_range(ModelBackends()));
  for (const PytorchLayers& f : PytorchLayersFixtures()) {
    INFO(f.model);
    const size_t samples = f.labels.size();
    auto model = *ModelOf(f.model, f.features.size() / samples, backend);
    REQUIRE(model->parameter_elements() == f.parameters.size());
    REQUIRE(model->SetParameters(f.parameters).ok());
    Values gradient(f.parameters.size());

    const auto result =
        model->Gradient({samples, f.features, f.labels, 0}, absl::MakeSpan(gradient));

    REQUIRE(result.ok());
    CHECK(result->loss_sum == Approx(f.loss_sum).epsilon(1e-6));
    for (size_t i = 0; i < gradient.size(); ++i) {
      INFO("element " << i);
      CHECK(gradient[i] == Approx(f.gradient_sum[i]).epsilon(1e-5).margin(2e-6));
    }
  }
}

TEST_CASE("every kind of layer agrees with finite differences, first, in the middle and nested") {
  const BackendChoice backend = GENERATE(from_range(ModelBackends()));
  const std::string layers = GENERATE(
      "[gelu, {linear: 6}, gelu, {linear: 3}]", "[softmax, {linear: 6}, softmax, {linear: 3}]",
      "[layer_norm, {linear: 6}, layer_norm, {linear: 3}, layer_norm]",
      "[{dropout: 0.4}, {linear: 6}, {dropout: 0.4}, {linear: 3}, {dropout: 0}]",
      "[{residual: [tanh]}, {linear: 6}, {residual: [{linear: 5}, {residual: [tanh]}, {linear: "
      "6}]},"
      " {linear: 3}]",
      "[{reshape: [3, 4]}, {linear: 2}, flatten, {linear: 3}]",
      "[{reshape: [3, 2, 2]}, {convolution: {channels: 2, kernel: 2, padding: 1}}, "
      "{average_pool: 2}, flatten, {linear: 3}]",
      "[{reshape: [6, 2]}, {convolution: {channels: 2, stride: 2}}, {average_pool: {size: 2}}, "
      "flatten, {linear: 3}]",
      "[{reshape: [4, 3]}, positional_embedding, {attention: {heads: 3}}, {attention: {causal: "
      "true}},"
      " {max_pool: 4}, flatten]",
      "[{reshape: [4, 3]}, {residual: [layer_norm, attention]}, global_average_pool]");
  INFO(layers);
  auto model = *ModelOf(Softmax(layers), 12, backend);
  const Values features = RandomNumbers(5 * 12, "features");
  const Values labels = {0, 1, 2, 0, 1};

  const Values parameters = RandomNumbers(model->parameter_elements(), "parameters");

  CHECK(WorstDifference(*model, {5, features, labels, 77}, parameters) < 1e-3);
}

TEST_CASE("a convolution is the same whatever else is in the batch, in many portions or in one") {
  // 60 * 60 windows of 36 numbers: 129600 numbers a sample, so that a portion on the CPU is two.
  auto model =
      *ModelOf(Softmax("[{reshape: [60, 60, 4]}, {convolution: {channels: 3, padding: 1}}, "
                       "global_average_pool]"),
               14400);
  const Values parameters = RandomNumbers(model->parameter_elements(), "parameters");
  REQUIRE(model->SetParameters(parameters).ok());
  const Values features = RandomNumbers(5 * 14400, "features");
  const Values labels = {0, 1, 2, 0, 1};
  Values whole(parameters.size()), one(parameters.size());
  std::vector<double> sum(parameters.size());

  const auto result = model->Gradient({5, features, labels, 0}, absl::MakeSpan(whole));
  double loss_sum = 0;
  for (size_t i = 0; i < 5; ++i) {
    const Batch batch = {1, absl::MakeConstSpan(features).subspan(i * 14400, 14400),
                         absl::MakeConstSpan(labels).subspan(i, 1), 0};
    loss_sum += model->Gradient(batch, absl::MakeSpan(one))->loss_sum;
    for (size_t j = 0; j < sum.size(); ++j) sum[j] += one[j];
  }

  CHECK(result->loss_sum == loss_sum);
  // The bias adds 18000 numbers in a row.
  for (size_t j = 0; j < sum.size(); ++j) CHECK(whole[j] == Approx(sum[j]).margin(1e-3));
}

TEST_CASE("dropout follows from the batch's key and the layer, and does nothing in evaluation") {
  const BackendChoice backend = GENERATE(from_range(ModelBackends()));
  auto model = *ModelOf(Softmax("[{linear: 40}, {dropout: 0.5}, {linear: 3}]"), 4, backend);
  auto without = *ModelOf(Softmax("[{linear: 40}, {linear: 3}]"), 4, backend);
  const Values parameters = RandomNumbers(model->parameter_elements(), "parameters");
  REQUIRE(model->SetParameters(parameters).ok());
  REQUIRE(without->SetParameters(parameters).ok());
  const Values features = RandomNumbers(2 * 4, "features");
  const Values labels = {0, 1};
  Values first(parameters.size()), again(parameters.size()), other(parameters.size());

  const auto a = model->Gradient({2, features, labels, 1}, absl::MakeSpan(first));
  const auto b = model->Gradient({2, features, labels, 2}, absl::MakeSpan(other));
  const auto c = model->Gradient({2, features, labels, 1}, absl::MakeSpan(again));

  CHECK(a->loss_sum == c->loss_sum);
  CHECK(first == again);
  CHECK(a->loss_sum != b->loss_sum);
  CHECK(first != other);
  CHECK(model->Evaluate({2, features, labels, 1})->loss_sum ==
        without->Evaluate({2, features, labels, 0})->loss_sum);
}

TEST_CASE("two dropouts of one model draw apart") {
  // With a rate of 0.5 twice, a quarter of the outputs is left; drawn alike it would be a half.
  auto model = *ModelOf("{layers: [{dropout: 0.5}, {dropout: 0.5}, {linear: 1}], loss: mse}", 1000);
  Values parameters(1001, 1.0f);
  parameters[1000] = 0;
  REQUIRE(model->SetParameters(parameters).ok());
  const Values features(1000, 0.25f), labels = {0};
  Values gradient(1001);

  const auto result = model->Gradient({1, features, labels, 5}, absl::MakeSpan(gradient));

  // The output counts what is left, each as 0.25 / 0.5 / 0.5 = 1: 250 within five deviations of 14.
  CHECK(std::sqrt(result->loss_sum) == Approx(250).margin(70));
}

TEST_CASE("an evaluation gives the last layer's outputs when they are wanted") {
  auto model = *ModelOf(Softmax("[{linear: 2}, tanh]"), 2);
  REQUIRE(model->SetParameters({1, 0, 0, 1, 0, 0}).ok());
  const Values features = {0.5f, -1, 0, 2}, labels = {0, 1};
  Values outputs(4), few(3, 9.0f);

  REQUIRE(model->Evaluate({2, features, labels, 0}, absl::MakeSpan(outputs)).ok());
  const auto refused = model->Evaluate({2, features, labels, 0}, absl::MakeSpan(few));

  for (size_t i = 0; i < 4; ++i) CHECK(outputs[i] == Approx(std::tanh(features[i])));
  CHECK(refused.status().message() == "model: the outputs has 3 elements, wanted 4");
  CHECK(few == Values(3, 9.0f));
}

TEST_CASE("label smoothing is of training; evaluation has the plain loss") {
  const std::string plain = Softmax("[{linear: 3}]");
  auto model =
      *ModelOf("{layers: [{linear: 3}], loss: softmax_cross_entropy, label_smoothing: 0.2}", 2);
  auto without = *ModelOf(plain, 2);
  const Values parameters = RandomNumbers(9, "parameters");
  REQUIRE(model->SetParameters(parameters).ok());
  REQUIRE(without->SetParameters(parameters).ok());
  const Values features = {1, -2}, labels = {2};
  Values gradient(9);

  const Batch batch = {1, features, labels, 0};

  CHECK(model->Evaluate(batch)->loss_sum == without->Evaluate(batch)->loss_sum);
  CHECK(model->Gradient(batch, absl::MakeSpan(gradient))->loss_sum !=
        without->Evaluate(batch)->loss_sum);
  CHECK(WorstDifference(*model, batch, parameters) < 1e-3);
}

TEST_CASE("a word that is not in the vocabulary is refused by row and nothing is written") {
  auto model =
      *ModelOf(Softmax("[{embedding: {vocabulary: 4, width: 3}}, global_average_pool]"), 2);
  REQUIRE(model->SetParameters(Values(12)).ok());
  const float word = GENERATE(4.0f, -1.0f, 0.5f, NAN);
  const Values features = {0, 3, 1, word};
  const Values labels = {0, 1};
  Values gradient(12, 9.0f);

  const auto result = model->Gradient({2, features, labels, 0}, absl::MakeSpan(gradient));

  CHECK(absl::IsInvalidArgument(result.status()));
  CHECK(result.status().message().find("model: number 1 of row 1 of the batch is ") == 0);
  CHECK(result.status().message().find(", wanted a word 0..3 of the embedding's 4") !=
        std::string::npos);
  CHECK(gradient == Values(12, 9.0f));
}

}  // namespace
}  // namespace paceline
