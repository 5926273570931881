#include "common/job/yaml_reader.h"

#include <catch2/catch.hpp>

#include "proto/job.pb.h"

namespace paceline {
namespace {

v1::JobSpec Read(absl::string_view text) {
  v1::JobSpec spec;
  YamlOrigins origins("job.yaml");
  const absl::Status status = ReadYaml(text, "job.yaml", &spec, &origins);
  INFO(status.ToString());
  REQUIRE(status.ok());
  return spec;
}

std::string ErrorOf(absl::string_view text) {
  v1::JobSpec spec;
  YamlOrigins origins("job.yaml");
  const absl::Status status = ReadYaml(text, "job.yaml", &spec, &origins);
  REQUIRE(absl::IsInvalidArgument(status));
  return std::string(status.message());
}

absl::Status Set(const char* assignment, v1::JobSpec* spec) {
  YamlOrigins origins("job.yaml");
  return SetFromYaml(assignment, spec, &origins);
}

std::string SetError(const char* assignment, v1::JobSpec spec = {}) {
  const absl::Status status = Set(assignment, &spec);
  REQUIRE(absl::IsInvalidArgument(status));
  return std::string(status.message());
}

TEST_CASE("a misspelt key is refused with its line and the key that was meant") {
  CHECK(ErrorOf("name: a\ntrain:\n  epoch: 3\n") ==
        "job.yaml:3: unknown key 'epoch' in train; did you mean 'epochs'?");
  CHECK(ErrorOf("nam: a\n") == "job.yaml:1: unknown key 'nam'; did you mean 'name'?");
  CHECK(ErrorOf("train: {banana: 3}\n") ==
        "job.yaml:1: unknown key 'banana' in train; wanted one of shards_per_round, epochs, "
        "shards_per_push");
  CHECK(ErrorOf("model: {layers: [relu, {linaer: 3}]}") ==
        "job.yaml:1: unknown key 'linaer' in model.layers[1]; did you mean 'linear'?");
}

TEST_CASE("a value of the wrong type is refused with its line, what was seen and what was wanted") {
  CHECK(ErrorOf("train:\n  epochs: many\n") ==
        "job.yaml:2: train.epochs is 'many'; wanted a whole number in [0, 4294967295]");
  CHECK(ErrorOf("seed: -1") ==
        "job.yaml:1: seed is '-1'; wanted a whole number in [0, 18446744073709551615]");
  CHECK(ErrorOf("seed: \"1\"") ==
        "job.yaml:1: seed is \"1\"; wanted a whole number in [0, 18446744073709551615]");
  CHECK(ErrorOf("seed:\n") ==
        "job.yaml:1: seed is empty; wanted a whole number in [0, 18446744073709551615]");
  CHECK(ErrorOf("name: [a]") ==
        "job.yaml:1: name is a list; wanted text without control characters");
  CHECK(ErrorOf("model: {loss: best}") ==
        "job.yaml:1: model.loss is 'best'; wanted one of softmax_cross_entropy, mse, "
        "sigmoid_cross_entropy");
  CHECK(ErrorOf("model: {layers: relu}") == "job.yaml:1: model.layers is 'relu'; wanted a list");
  CHECK(ErrorOf("model: {layers: [~]}") == "job.yaml:1: model.layers[0] is empty; wanted a value");
  CHECK(ErrorOf("fleet: [1]") == "job.yaml:1: fleet is a list; wanted a mapping");
  CHECK(ErrorOf("data: {standardize: on}") ==
        "job.yaml:1: data.standardize is 'on'; wanted true or false");
  CHECK(ErrorOf("merge: {worker_weights: [1]}") ==
        "job.yaml:1: merge.worker_weights is a list; wanted a mapping");
  CHECK(ErrorOf("merge: {worker_weights: {w: x}}") ==
        "job.yaml:1: merge.worker_weights.w is 'x'; wanted a number");
  CHECK(ErrorOf("just words") == "job.yaml:1: the spec is 'just words'; wanted a mapping");
  CHECK(ErrorOf("") == "job.yaml is empty; wanted a mapping");
}

TEST_CASE("a scalar is a oneof's member of that name, or the message's first field") {
  CHECK(Read("consistency: sync").consistency().has_sync());
  CHECK(Read("consistency: {ssp: 3}").consistency().ssp().staleness() == 3);
  CHECK(Read("consistency: {quorum: 3}").consistency().quorum().workers() == 3);
  CHECK(Read("consistency: {quorum: {workers: 3, on_late: carry}}")
            .consistency()
            .quorum()
            .on_late() == v1::QuorumMode::CARRY);
  CHECK(Read("optimizer: adam").optimizer().has_adam());
  CHECK(Read("optimizer: {adam: }").optimizer().has_adam());
  CHECK(Read("optimizer: {schedule: {step: 10}}").optimizer().schedule().step().every_steps() ==
        10);
  CHECK(Read("model: {layers: [{linear: 128}]}").model().layers(0).linear().units() == 128);
  CHECK(Read("merge: hybrid").merge().rule() == v1::MergeSpec::HYBRID);
  CHECK(Read("data: {split: 0.25}").data().split().eval_fraction() == 0.25);

  CHECK(ErrorOf("consistency: eventual") ==
        "job.yaml:1: consistency is 'eventual'; wanted one of sync, ssp, async, quorum");
  CHECK(ErrorOf("consistency: 3") ==
        "job.yaml:1: consistency is '3'; wanted one of sync, ssp, async, quorum");
  CHECK(ErrorOf("model: {layers: [{relu: 3}]}") ==
        "job.yaml:1: model.layers[0].relu is '3'; wanted nothing: it has no fields");
}

TEST_CASE("a misspelt word is refused with the word that was meant") {
  CHECK(ErrorOf("consistency: asynk") ==
        "job.yaml:1: consistency is 'asynk'; did you mean 'async'?");
  CHECK(ErrorOf("model:\n  layers: [relu, rulu]") ==
        "job.yaml:2: model.layers[1] is 'rulu'; did you mean 'relu'?");
  CHECK(ErrorOf("model: {loss: softmax_crossentropy}") ==
        "job.yaml:1: model.loss is 'softmax_crossentropy'; did you mean 'softmax_cross_entropy'?");
  CHECK(ErrorOf("model: {loss: MSE}") == "job.yaml:1: model.loss is 'MSE'; did you mean 'mse'?");
  CHECK(ErrorOf("optimizer: adamm") == "job.yaml:1: optimizer is 'adamm'; did you mean 'adam'?");
  CHECK(ErrorOf("merge: hybird") == "job.yaml:1: merge.rule is 'hybird'; did you mean 'hybrid'?");
  CHECK(SetError("data.format=cvs") ==
        "--set data.format: data.format is 'cvs'; did you mean 'csv'?");
}

TEST_CASE("a word that other programs use finds ours") {
  CHECK(ErrorOf("optimizer: {adam: {lr: 0.1}}") ==
        "job.yaml:1: unknown key 'lr' in optimizer.adam; did you mean 'learning_rate'?");
  CHECK(ErrorOf("model: {loss: cross_entropy}") ==
        "job.yaml:1: model.loss is 'cross_entropy'; did you mean 'softmax_cross_entropy'?");
  CHECK(ErrorOf("model: {layers: [{dense: 3}]}") ==
        "job.yaml:1: unknown key 'dense' in model.layers[0]; did you mean 'linear'?");
}

TEST_CASE("the line of every field is known, and that an override replaced one") {
  v1::JobSpec spec;
  YamlOrigins origins("job.yaml");
  REQUIRE(ReadYaml("name: a\n"
                   "model:\n"
                   "  layers:\n"
                   "  - linear: 3\n"
                   "  - relu\n"
                   "merge:\n"
                   "  worker_weights:\n"
                   "    w.1: 2\n",
                   "job.yaml", &spec, &origins)
              .ok());
  CHECK(origins.Find("name") == "job.yaml:1");
  CHECK(origins.Find("model.loss") == "job.yaml:2");
  CHECK(origins.Find("model.layers[0].linear.units") == "job.yaml:4");
  CHECK(origins.Find("model.layers[1]") == "job.yaml:5");
  CHECK(origins.Find("merge.worker_weights.w.1") == "job.yaml:8");

  REQUIRE(SetFromYaml("model.layers.0.linear.units=4", &spec, &origins).ok());
  CHECK(origins.Find("model.layers[0].linear.units") == "--set model.layers.0.linear.units");
  CHECK(origins.Find("model.layers[1]") == "job.yaml:5");
}

TEST_CASE("two members of one oneof are refused") {
  CHECK(
      ErrorOf("consistency: {sync: {}, ssp: 3}") ==
      "job.yaml:1: consistency has both 'sync' and 'ssp'; wanted one of sync, ssp, async, quorum");
}

TEST_CASE("lists of numbers and maps are read") {
  const v1::JobSpec spec = Read(
      "model: {parameters: [{name: a/b, shape: [2, 3], initial: 0.5}]}\n"
      "merge: {rule: worker, worker_weights: {w1: 2, '3': 0.5}}\n");

  CHECK(spec.model().parameters(0).shape_size() == 2);
  CHECK(spec.model().parameters(0).shape(1) == 3);
  CHECK(spec.merge().worker_weights().at("w1") == 2);
  CHECK(spec.merge().worker_weights().at("3") == 0.5);
}

TEST_CASE("an override replaces one field, whatever its depth") {
  v1::JobSpec spec = Read(
      "train: {epochs: 5, shards_per_round: 4}\nconsistency: sync\n"
      "model: {layers: [{linear: 128}, relu]}");

  REQUIRE(Set("train.epochs=3", &spec).ok());
  REQUIRE(Set("consistency={ssp: 3}", &spec).ok());
  REQUIRE(Set("model.layers.0.linear.units=64", &spec).ok());
  REQUIRE(Set("model.layers.1=tanh", &spec).ok());
  REQUIRE(Set("optimizer.adam.learning_rate=0.5", &spec).ok());
  REQUIRE(Set("fleet.workers = 8", &spec).ok() == false);

  CHECK(spec.train().epochs() == 3);
  CHECK(spec.train().shards_per_round() == 4);
  CHECK(spec.consistency().ssp().staleness() == 3);
  CHECK(spec.model().layers(0).linear().units() == 64);
  CHECK(spec.model().layers(1).has_tanh());
  CHECK(spec.optimizer().adam().learning_rate() == 0.5f);

  REQUIRE(Set("train={epochs: 2}", &spec).ok());
  CHECK_FALSE(spec.train().has_shards_per_round());
  REQUIRE(Set("model.layers=[relu]", &spec).ok());
  CHECK(spec.model().layers_size() == 1);
}

TEST_CASE("an override that names nothing, or a second choice, is refused") {
  CHECK(SetError("train.epoch=3") ==
        "--set train.epoch: unknown key 'epoch' in train; did you mean 'epochs'?");
  CHECK(SetError("train.epochs") ==
        "--set train.epochs: wanted <field>=<value>, as in train.epochs=3");
  CHECK(SetError("train.epochs=x") ==
        "--set train.epochs: train.epochs is 'x'; wanted a whole number in [0, 4294967295]");
  CHECK(SetError("train.epochs.x=1") ==
        "--set train.epochs.x: train.epochs has no fields; set it as a whole");
  CHECK(SetError("model.layers.0.linear.units=1") ==
        "--set model.layers.0.linear.units: '0' in model.layers; wanted an index below 0");
  CHECK(SetError("merge.worker_weights.w=1") ==
        "--set merge.worker_weights.w: merge.worker_weights has no fields; set it as a whole");
  CHECK(SetError("optimizer.sgd.learning_rate=1", Read("optimizer: adam"))
            .find("optimizer has both 'adam' and 'sgd'; wanted one of ") != std::string::npos);
  CHECK_FALSE(SetError("=1").empty());
  CHECK_FALSE(SetError("").empty());
  CHECK_FALSE(SetError("model.layers.=1").empty());
  CHECK_FALSE(SetError("train..epochs=1").empty());
  CHECK_FALSE(SetError("model.layers=1").empty());
  CHECK_FALSE(SetError("model.parameters=[").empty());
}

TEST_CASE("a list is a message's first field where that is a list") {
  const v1::JobSpec spec =
      Read("model: {layers: [{reshape: [7, 4]}, {residual: [relu, {linear: 4}]}]}");

  CHECK(spec.model().layers(0).reshape().shape(1) == 4);
  CHECK(spec.model().layers(1).residual().layers(0).has_relu());
  CHECK(spec.model().layers(1).residual().layers(1).linear().units() == 4);
  CHECK(ErrorOf("model: {layers: [{linear: [3]}]}") ==
        "job.yaml:1: model.layers[0].linear is a list; wanted a mapping");
  CHECK(ErrorOf("model: {layers: [{relu: [3]}]}") ==
        "job.yaml:1: model.layers[0].relu is a list; wanted nothing: it has no fields");
  CHECK(ErrorOf("model: {layers: [{residual: [{linear: x}]}]}") ==
        "job.yaml:1: model.layers[0].residual.layers[0].linear.units is 'x'; wanted a whole number "
        "in "
        "[0, 4294967295]");
  CHECK(ErrorOf("[1]") == "job.yaml:1: the spec is a list; wanted a mapping");
}

}  // namespace
}  // namespace paceline
