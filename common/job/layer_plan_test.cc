#include "common/job/layer_plan.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "common/job/yaml_origins.h"
#include "common/job/yaml_reader.h"

namespace paceline {
namespace {

// A model whose layers are YAML.
v1::ModelSpec Model(const std::string& layers, const std::string& loss = "softmax_cross_entropy") {
  v1::ModelSpec model;
  YamlOrigins origins("test");
  const absl::Status status =
      ReadYaml(absl::StrCat("layers: ", layers, "\nloss: ", loss), "test", &model, &origins);
  INFO(status.ToString());
  REQUIRE(status.ok());
  return model;
}

std::string ErrorOf(const v1::ModelSpec& model, uint64_t features) {
  const absl::Status status = PlanLayers(model, features).status();
  return absl::IsInvalidArgument(status) ? std::string(status.message()) : "NOT REFUSED";
}

TEST_CASE("linear, softmax and layer norm work on the last dimension") {
  const v1::ModelSpec model =
      Model("[{reshape: [3, 4]}, {linear: 5}, softmax, layer_norm, flatten]");

  const auto plans = PlanLayers(model, 12).value();

  REQUIRE(plans.size() == 5);
  CHECK(plans[0].output == SampleShape{3, 4});
  CHECK(plans[1].output == SampleShape{3, 5});
  REQUIRE(plans[1].parameters.size() == 2);
  CHECK(plans[1].parameters[0].name == "layers.1.weight");
  CHECK(plans[1].parameters[0].shape == std::vector<uint64_t>{4, 5});
  CHECK(plans[2].output == SampleShape{3, 5});
  REQUIRE(plans[3].parameters.size() == 2);
  CHECK(plans[3].parameters[0].name == "layers.3.weight");
  CHECK(plans[3].parameters[0].initial_value == 1);
  CHECK(plans[3].parameters[1].elements == 5);
  CHECK(plans[3].parameters[1].offset == 4 * 5 + 5 + 5);
  CHECK(plans[4].output == SampleShape{15});
  CHECK(plans[4].path == "model.layers[4]");
}

TEST_CASE("a residual plans its own layers, with their parameters behind its name") {
  const v1::ModelSpec model = Model(
      "[{linear: 6}, {residual: [layer_norm, {residual: [{linear: 6}, relu]}]}, {linear: 2}]");

  const auto plans = PlanLayers(model, 3).value();

  REQUIRE(plans[1].inner.size() == 2);
  CHECK(plans[1].parameters.empty());
  CHECK(plans[1].output == SampleShape{6});
  CHECK(plans[1].inner[0].parameters[1].name == "layers.1.layers.0.bias");
  const LayerPlan& deepest = plans[1].inner[1].inner[0];
  CHECK(deepest.path == "model.layers[1].residual.layers[1].residual.layers[0]");
  CHECK(deepest.parameters[0].name == "layers.1.layers.1.layers.0.weight");
  // He's limit, since a relu follows in the same list.
  CHECK(deepest.parameters[0].initial_value == Approx(std::sqrt(6.0 / 6)));
  // 3 * 6 + 6, then 6 + 6.
  CHECK(deepest.parameters[0].offset == 36);
  CHECK(plans[2].parameters[0].offset == 36 + 42);
}

TEST_CASE("before the features are counted, what does not follow from them is checked") {
  CHECK(PlanLayers(Model("[{linear: 8}, relu, {linear: 2}]"), 0).ok());
  CHECK(PlanLayers(Model("[relu, {reshape: [4, 4]}, {linear: 2}, flatten]"), 0).ok());
  CHECK(ErrorOf(Model("[{reshape: [4, 4]}, {linear: 2}]"), 0) ==
        "model.layers[1] gives [4, 2], but model.loss softmax_cross_entropy wants one dimension: "
        "flatten it, or pool it");
  CHECK(PlanLayers(Model("[{linear: 8}]"), 0).value()[0].parameters[0].shape ==
        std::vector<uint64_t>{1, 8});
}

TEST_CASE("a reshape keeps the count of numbers") {
  CHECK(ErrorOf(Model("[{reshape: [28, 28, 1]}, flatten, {linear: 2}]"), 783) ==
        "model.layers[0].reshape.shape [28, 28, 1] has 784 numbers, but what comes before it gives "
        "[783], which has 783");
  CHECK(ErrorOf(Model("[{reshape: []}, {linear: 2}]"), 4) ==
        "model.layers[0].reshape.shape has 0 dimensions; wanted 1 to 4");
  CHECK(ErrorOf(Model("[{reshape: [1, 1, 1, 1, 4]}, {linear: 2}]"), 4) ==
        "model.layers[0].reshape.shape has 5 dimensions; wanted 1 to 4");
  CHECK(ErrorOf(Model("[{reshape: [0, 4]}, {linear: 2}]"), 4) ==
        "model.layers[0].reshape.shape has a dimension of 0; wanted at least 1");
  CHECK(ErrorOf(Model("[{reshape: [65536, 65536]}, {linear: 2}]"), 0) ==
        "model.layers[0] gives [65536, 65536]; wanted at most 2147483647 numbers a sample");
}

TEST_CASE("a residual that changes the shape, computes nothing or is too deep is refused") {
  CHECK(ErrorOf(Model("[{linear: 4}, {residual: [{linear: 5}]}, {linear: 2}]"), 3) ==
        "model.layers[1].residual.layers makes [5] of [4]; wanted the same shape, to add them");
  CHECK(ErrorOf(Model("[{linear: 4}, {residual: [flatten]}]"), 3) ==
        "model.layers[1].residual.layers computes nothing; wanted at least one layer");
  CHECK(ErrorOf(Model("[{linear: 4}, residual]"), 3) ==
        "model.layers[1].residual.layers computes nothing; wanted at least one layer");
  std::string nested = "{linear: 4}";
  for (int i = 0; i < 4; ++i) nested = absl::StrCat("{residual: [", nested, "]}");
  CHECK(PlanLayers(Model(absl::StrCat("[", nested, "]")), 4).ok());
  nested = absl::StrCat("{residual: [", nested, "]}");
  CHECK(
      ErrorOf(Model(absl::StrCat("[", nested, "]")), 4) ==
      "model.layers[0].residual.layers[0].residual.layers[0].residual.layers[0].residual.layers[0]"
      ".residual is inside 4 others; wanted at most 3");
}

TEST_CASE("a model without parameters, or one whose last layer does not fit the loss, is refused") {
  CHECK(
      ErrorOf(Model("[relu]"), 3) ==
      "model.layers has no layer with parameters; wanted at least one, or nothing can be trained");
  CHECK(ErrorOf(Model("[{linear: 2}, relu]", "mse"), 3) ==
        "model.layers[0].linear.units is 2, but model.loss mse wants a last layer of width 1");
  CHECK(ErrorOf(Model("[{linear: 2}, {reshape: [2, 1]}, layer_norm, flatten]", "mse"), 3) ==
        "model.layers[0].linear.units is 2, but model.loss mse wants a last layer of width 1");
  CHECK(ErrorOf(Model("[{linear: 1}, {reshape: [1, 1]}, layer_norm]", "mse"), 3) ==
        "model.layers[2] gives [1, 1], but model.loss mse wants one dimension: flatten it, or pool "
        "it");
  v1::ModelSpec empty = Model("[{linear: 1}]");
  empty.add_layers();
  CHECK(ErrorOf(empty, 3).find("model.layers[1] is empty; wanted one of linear, relu, tanh") == 0);
}

TEST_CASE("convolutions and pools place their windows over images and over sequences") {
  const v1::ModelSpec model = Model(
      "[{reshape: [28, 27, 1]}, {convolution: {channels: 8, kernel: 5, padding: 2}}, relu, "
      "{max_pool: {size: 2}}, {convolution: {channels: 4, stride: 2}}, {average_pool: {size: 3, "
      "stride: 1}}, flatten]");

  const auto plans = PlanLayers(model, 28 * 27).value();

  CHECK(plans[1].output == SampleShape{28, 27, 8});
  CHECK(plans[1].parameters[0].shape == std::vector<uint64_t>{5, 5, 1, 8});
  CHECK(plans[1].parameters[1].shape == std::vector<uint64_t>{8});
  // 27 / 2 leaves a column out.
  CHECK(plans[3].output == SampleShape{14, 13, 8});
  CHECK(plans[4].output == SampleShape{6, 6, 4});
  // Glorot's limit over windows of 3 * 3 * 8 numbers.
  CHECK(plans[4].parameters[0].initial_value == Approx(std::sqrt(6.0 / (9 * 8 + 9 * 4))));
  CHECK(plans[5].output == SampleShape{4, 4, 4});
}

TEST_CASE("over a sequence a convolution has one dimension") {
  const v1::ModelSpec model = Model(
      "[{reshape: [8, 10]}, {convolution: {channels: 3, kernel: 4, stride: 2}}, relu, "
      "{max_pool: {size: 3}}, global_average_pool]");

  const auto plans = PlanLayers(model, 80).value();

  CHECK(plans[1].output == SampleShape{3, 3});
  CHECK(plans[1].parameters[0].shape == std::vector<uint64_t>{4, 10, 3});
  CHECK(plans[1].parameters[0].initial_value == Approx(std::sqrt(6.0 / 40)));
  CHECK(plans[3].output == SampleShape{1, 3});
  CHECK(plans[4].output == SampleShape{3});
}

TEST_CASE("words become rows, positions are added, and attention keeps the shape") {
  const v1::ModelSpec model = Model(
      "[{embedding: {vocabulary: 50, width: 12}}, positional_embedding, "
      "{residual: [layer_norm, {attention: {heads: 4}}]}, global_average_pool, {linear: 2}]");

  const auto plans = PlanLayers(model, 7).value();

  CHECK(plans[0].output == SampleShape{7, 12});
  CHECK(plans[0].parameters[0].shape == std::vector<uint64_t>{50, 12});
  CHECK(plans[0].parameters[0].initial_value == 0.05f);
  CHECK(plans[1].parameters[0].shape == std::vector<uint64_t>{7, 12});
  const LayerPlan& attention = plans[2].inner[1];
  REQUIRE(attention.parameters.size() == 4);
  CHECK(attention.parameters[0].name == "layers.2.layers.1.qkv.weight");
  CHECK(attention.parameters[0].shape == std::vector<uint64_t>{12, 36});
  CHECK(attention.parameters[0].initial_value == Approx(std::sqrt(6.0 / 24)));
  CHECK(attention.parameters[3].name == "layers.2.layers.1.out.bias");
  // Before the words of a sample are counted, the rest is known.
  CHECK(PlanLayers(model, 0).value()[2].output == SampleShape{0, 12});
}

TEST_CASE("layers that cannot take the shape before them are refused by name") {
  CHECK(ErrorOf(Model("[{convolution: 3}, flatten, {linear: 2}]"), 784) ==
        "model.layers[0] takes [height, width, channels] or [length, channels], but what comes "
        "before "
        "it gives [784]; a reshape may name them");
  CHECK(ErrorOf(Model("[{reshape: [2, 9]}, {convolution: {channels: 1}}, flatten]"), 18) ==
        "model.layers[1].convolution's windows have side 3, but what comes before it gives [2, 9]");
  CHECK(ErrorOf(Model("[{reshape: [1, 9, 1]}, {convolution: {channels: 1, kernel: 4, padding: 1}}, "
                      "flatten]"),
                9) ==
        "model.layers[1].convolution's windows have side 4, but what comes before it "
        "gives [1, 9, 1], padded by 1");
  CHECK(
      ErrorOf(Model("[{reshape: [3, 3]}, {convolution: {channels: 1, padding: 3}}, flatten]"), 9) ==
      "model.layers[1].convolution has 1 channels, kernel 3, stride 1 and padding 3; wanted each "
      "but "
      "the padding at least 1, and the padding below the kernel");
  CHECK(ErrorOf(Model("[{linear: 4}, {max_pool: 2}]"), 4).find("model.layers[1] takes [height") ==
        0);
  CHECK(
      ErrorOf(Model("[{reshape: [3, 4]}, {average_pool: 5}, {linear: 2}]"), 12) ==
      "model.layers[1].average_pool's windows have side 5, but what comes before it gives [3, 4]");
  CHECK(ErrorOf(Model("[{reshape: [3, 4]}, max_pool]"), 12) ==
        "model.layers[1].max_pool has size 0 and stride 0; wanted both at least 1");
  CHECK(ErrorOf(Model("[{linear: 4}, attention]"), 4) ==
        "model.layers[1] takes [length, width], but what comes before it gives [4]");
  CHECK(ErrorOf(Model("[{reshape: [3, 4]}, {attention: {heads: 3}}]"), 12) ==
        "model.layers[1].attention.heads is 3; wanted a divisor of the width, 4");
  CHECK(
      ErrorOf(Model("[{linear: 4}, {embedding: {vocabulary: 5, width: 2}}, flatten]"), 4) ==
      "model.layers[1].embedding takes words, but a layer before it has computed with them; wanted "
      "it to be the first layer");
  CHECK(ErrorOf(Model("[{reshape: [2, 2]}, {embedding: {vocabulary: 5, width: 2}}, flatten]"), 4) ==
        "model.layers[1].embedding takes [length], but what comes before it gives [2, 2]");
  CHECK(ErrorOf(Model("[{embedding: {vocabulary: 5}}, flatten]"), 4) ==
        "model.layers[0].embedding has vocabulary 5 and width 0; wanted both at least 1");
}

}  // namespace
}  // namespace paceline
