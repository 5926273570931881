#include "common/job/job_spec.h"

#include <google/protobuf/util/message_differencer.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <iterator>

#include "absl/strings/str_cat.h"

namespace paceline {
namespace {

using google::protobuf::util::MessageDifferencer;

// The form that docs/spec.md opens with.
constexpr char kExample[] = R"(name: fashion-mlp
seed: 7
data:
  format: idx
  train: {images: train-images-idx3-ubyte.gz, labels: train-labels-idx1-ubyte.gz}
  eval:  {images: t10k-images-idx3-ubyte.gz,  labels: t10k-labels-idx1-ubyte.gz}
  shard_samples: 32
model:
  layers: [{linear: 128}, relu, {linear: 10}]
  loss: softmax_cross_entropy
train: {shards_per_round: 8, epochs: 5}
optimizer: {adam: {learning_rate: 0.001}}
consistency: sync          # or {ssp: 3} or async
fleet: {servers: 2, workers: 4, replicas: 1}
)";

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  REQUIRE(file.good());
  return std::string(std::istreambuf_iterator<char>(file), {});
}

std::string ErrorOf(absl::string_view yaml, const std::vector<std::string>& set = {}) {
  const auto spec = ParseJobSpec(yaml, "job.yaml", set);
  REQUIRE(absl::IsInvalidArgument(spec.status()));
  return std::string(spec.status().message());
}

TEST_CASE("the example is read as it is meant, with every default filled") {
  const v1::JobSpec spec = ParseJobSpec(kExample, "job.yaml", {}).value();

  CHECK(spec.name() == "fashion-mlp");
  CHECK(spec.seed() == 7);
  CHECK(spec.data().format() == v1::DataSpec::IDX);
  CHECK(spec.data().train().images() == "train-images-idx3-ubyte.gz");
  CHECK(spec.data().eval().labels() == "t10k-labels-idx1-ubyte.gz");
  CHECK(spec.data().shard_samples() == 32);
  REQUIRE(spec.model().layers_size() == 3);
  CHECK(spec.model().layers(0).linear().units() == 128);
  CHECK(spec.model().layers(1).has_relu());
  CHECK(spec.model().loss() == v1::ModelSpec::SOFTMAX_CROSS_ENTROPY);
  CHECK(spec.train().epochs() == 5);
  CHECK(spec.train().shards_per_push() == 2);  // 8 shards a round / 4 workers.
  CHECK(spec.optimizer().adam().learning_rate() == 0.001f);
  CHECK(spec.optimizer().adam().beta2() == 0.999f);
  CHECK(spec.optimizer().schedule().has_constant());
  CHECK(spec.consistency().has_sync());
  CHECK(spec.fleet().workers() == 4);
  CHECK(spec.merge().rule() == v1::MergeSpec::SAMPLES);
}

TEST_CASE("what is only read is as it was written, yet nothing wrong is") {
  const auto spec = ReadJobSpec(kExample, "job.yaml", {"train.shards_per_push=2"});

  REQUIRE(spec.ok());
  CHECK(spec->train().has_shards_per_push());
  CHECK_FALSE(ReadJobSpec(kExample, "job.yaml", {})->train().has_shards_per_push());
  v1::JobSpec resolved = *spec;
  REQUIRE(ResolveJobSpec(&resolved).ok());
  CHECK(SpecToYaml(resolved) ==
        SpecToYaml(ParseJobSpec(kExample, "job.yaml", {"train.shards_per_push=2"}).value()));
  CHECK(ReadJobSpec(kExample, "job.yaml", {"train.epochs=0"}).status().message() ==
        ErrorOf(kExample, {"train.epochs=0"}));
}

TEST_CASE("overrides come after the file and before the defaults") {
  const v1::JobSpec spec =
      ParseJobSpec(kExample, "job.yaml",
                   {"consistency={ssp: 3}", "train.shards_per_round=64", "fleet.workers=2"})
          .value();

  CHECK(spec.consistency().ssp().staleness() == 3);
  CHECK(spec.train().shards_per_push() == 32);
  CHECK(ErrorOf(kExample, {"train.epochs=0"}) ==
        "--set train.epochs: train.epochs is 0; wanted a whole number in [1, 100000]");
}

TEST_CASE("bad specs get one clear error") {
  CHECK(ErrorOf(kExample, {"fleet.workers=0"}) ==
        "--set fleet.workers: fleet.workers is 0; wanted a whole number in [1, 65536]");
  CHECK(ErrorOf(kExample, {"optimizer={adam: {learning_rate: 0}}"}) ==
        "--set optimizer: optimizer.adam.learning_rate is 0; wanted a finite number > 0");
  CHECK(ErrorOf(kExample, {"optimizer.adam.learning_rate=.nan"}) ==
        "--set optimizer.adam.learning_rate: optimizer.adam.learning_rate is nan; wanted a finite "
        "number > 0");
  CHECK(ErrorOf(kExample, {"model.loss=mse"}) ==
        "job.yaml:9: model.layers[2].linear.units is 10, but model.loss mse wants a last layer of "
        "width 1");
  CHECK(ErrorOf(std::string(kExample) + "trian: {epochs: 3}\n") ==
        "job.yaml:15: unknown key 'trian'; did you mean 'train'?");
  CHECK(ErrorOf(std::string(kExample) + "seed: 8\n") ==
        "job.yaml:15: key 'seed' is here twice, first in line 2");
}

// kExample with `from` replaced by `to`.
std::string Changed(absl::string_view from, absl::string_view to) {
  std::string yaml = kExample;
  const size_t at = yaml.find(std::string(from));
  REQUIRE(at != std::string::npos);
  return yaml.replace(at, from.size(), std::string(to));
}

TEST_CASE("a value out of range, and values that do not fit each other, are told by their line") {
  CHECK(ErrorOf(Changed("0.001", "0")) ==
        "job.yaml:12: optimizer.adam.learning_rate is 0; wanted a finite number > 0");
  CHECK(ErrorOf(Changed("0.001}", "\n  .inf}")) ==
        "job.yaml:12: optimizer.adam.learning_rate is inf; wanted a finite number > 0");
  CHECK(ErrorOf(Changed("workers: 4", "workers: 0")) ==
        "job.yaml:14: fleet.workers is 0; wanted a whole number in [1, 65536]");
  CHECK(ErrorOf(Changed("{linear: 128}", "{linear: 0}")) ==
        "job.yaml:9: model.layers[0].linear.units is 0; wanted a whole number in [1, 1048576]");
  CHECK(ErrorOf(Changed("{linear: 10}", "{}"))
            .find("job.yaml:9: model.layers[2] is empty; wanted one of linear, relu, ") == 0);
  CHECK(ErrorOf(Changed("[{linear: 128}, relu, {linear: 10}]",
                        "[{linear: 1048576}, {linear: 1048576}, {linear: 2}]"))
            .find("job.yaml:8: model: parameter 'layers.1.weight' brings the job") == 0);
}

TEST_CASE("what is not there at all is told by the line of what it belongs to, or by the file") {
  CHECK(ErrorOf(Changed("  loss: softmax_cross_entropy\n", "")) ==
        "job.yaml:8: model.loss is not given; wanted one of softmax_cross_entropy, mse, "
        "sigmoid_cross_entropy");
  CHECK(ErrorOf(Changed("name: fashion-mlp\n", "")) ==
        "job.yaml: name is ''; wanted 1 to 40 lower-case letters, digits and '-', a letter first");
  CHECK(ErrorOf(Changed("replicas: 1", "replicas: 2, min_in_sync: 3")) ==
        "job.yaml:14: fleet.min_in_sync is 3; wanted at most fleet.replicas (2)");
}

TEST_CASE("a resolved spec is read back the same from its YAML") {
  for (const char* consistency : {"consistency=sync", "consistency={ssp: 0}", "consistency=async",
                                  "consistency={async: {max_staleness: 5, on_stale: damp}}"}) {
    const v1::JobSpec spec = ParseJobSpec(kExample, "job.yaml", {consistency}).value();

    const v1::JobSpec again = ParseJobSpec(SpecToYaml(spec), "spec.yaml", {}).value();

    INFO(SpecToYaml(spec));
    CHECK(MessageDifferencer::Equals(spec, again));
    CHECK(SpecSha256(spec) == SpecSha256(again));
  }
}

TEST_CASE("the hash of a spec tells specs apart and does not depend on the order of a map") {
  const char* weights = "merge={rule: worker, worker_weights: {a: 1, b: 2, c: 3, d: 4}}";
  const char* turned = "merge={rule: worker, worker_weights: {d: 4, c: 3, b: 2, a: 1}}";
  const auto hash = [](std::vector<std::string> set) {
    return SpecSha256(ParseJobSpec(kExample, "job.yaml", set).value());
  };

  CHECK(hash({weights}) == hash({turned}));
  CHECK(hash({}) != hash({"seed=8"}));
  CHECK(hash({}).size() == 64);
}

TEST_CASE("relative paths are put behind the spec's folder, absolute ones stay") {
  v1::JobSpec spec = ParseJobSpec(kExample, "job.yaml", {"data.eval.images=/a/b"}).value();

  MakePathsAbsolute(&spec, "/srv/jobs/../data");

  CHECK(spec.data().train().images() == "/srv/data/train-images-idx3-ubyte.gz");
  CHECK(spec.data().eval().images() == "/a/b");
  CHECK(spec.data().train().path().empty());

  v1::JobSpec bare;
  bare.mutable_checkpoint()->set_path("kept/here");
  MakePathsAbsolute(&bare, "/srv");
  CHECK(bare.checkpoint().path() == "/srv/kept/here");
  CHECK_FALSE(bare.has_data());
}

TEST_CASE("a checkpoint section is read, with nothing in it too, and no path is made up") {
  v1::JobSpec spec = ParseJobSpec(std::string(kExample) + "checkpoint:\n", "job.yaml", {}).value();
  CHECK(spec.checkpoint().every_s() == 60);
  CHECK(spec.checkpoint().path().empty());
  MakePathsAbsolute(&spec, "/srv");
  CHECK(spec.checkpoint().path().empty());

  spec = ParseJobSpec(kExample, "job.yaml", {"checkpoint={path: c, every_rounds: 50, keep: 9}"})
             .value();
  CHECK(spec.checkpoint().path() == "c");
  CHECK_FALSE(spec.checkpoint().has_every_s());
  CHECK(spec.checkpoint().every_rounds() == 50);
  CHECK(spec.checkpoint().keep() == 9);
  CHECK(ErrorOf(kExample, {"checkpoint={evry_s: 5}"}).find("did you mean 'every_s'?") !=
        std::string::npos);
}

TEST_CASE("the examples people are given are read, in every mode their comments name") {
  const std::string yaml = ReadFile("examples/fashion-mnist/job.yaml");
  for (const std::vector<std::string>& set :
       {std::vector<std::string>{}, {"consistency={ssp: 3}"}, {"consistency=async"}}) {
    const auto spec = ParseJobSpec(yaml, "job.yaml", set);
    INFO(spec.status().ToString());
    CHECK(spec.ok());
  }
  for (const char* name :
       {"fashion-mnist/checkpointed.yaml", "vision-cnn/job.yaml", "text-classification/job.yaml"}) {
    const auto spec = ParseJobSpec(ReadFile(absl::StrCat("examples/", name)), name, {});
    INFO(spec.status().ToString());
    CHECK(spec.ok());
  }
}

}  // namespace
}  // namespace paceline
