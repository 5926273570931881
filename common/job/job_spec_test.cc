#include "common/job/job_spec.h"

#include <google/protobuf/util/message_differencer.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <iterator>

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

TEST_CASE("overrides come after the file and before the defaults") {
  const v1::JobSpec spec =
      ParseJobSpec(kExample, "job.yaml",
                   {"consistency={ssp: 3}", "train.shards_per_round=64", "fleet.workers=2"})
          .value();

  CHECK(spec.consistency().ssp().staleness() == 3);
  CHECK(spec.train().shards_per_push() == 32);
  CHECK(ErrorOf(kExample, {"train.epochs=0"}) ==
        "job.yaml: train.epochs is 0; wanted a whole number in [1, 100000]");
}

TEST_CASE("bad specs get one clear error") {
  CHECK(ErrorOf(kExample, {"fleet.workers=0"}) ==
        "job.yaml: fleet.workers is 0; wanted a whole number in [1, 65536]");
  CHECK(ErrorOf(kExample, {"optimizer.adam.learning_rate=0"}) ==
        "job.yaml: optimizer.adam.learning_rate is 0; wanted a finite number > 0");
  CHECK(ErrorOf(kExample, {"optimizer.adam.learning_rate=.nan"}) ==
        "job.yaml: optimizer.adam.learning_rate is nan; wanted a finite number > 0");
  CHECK(ErrorOf(kExample, {"optimizer.adam.learning_rate=.inf"}) ==
        "job.yaml: optimizer.adam.learning_rate is inf; wanted a finite number > 0");
  CHECK(ErrorOf(kExample, {"model.loss=mse"}) ==
        "job.yaml: model.layers[2].linear.units is 10, but model.loss mse wants a last layer of "
        "width 1");
  CHECK(ErrorOf(std::string(kExample) + "trian: {epochs: 3}\n") ==
        "job.yaml:15: unknown key 'trian'; did you mean 'train'?");
  CHECK(ErrorOf(std::string(kExample) + "seed: 8\n") ==
        "job.yaml:15: key 'seed' is here twice, first in line 2");
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
  MakePathsAbsolute(&bare, "/srv");
  CHECK_FALSE(bare.has_data());
}

TEST_CASE("the examples people are given are read, in every mode their comments name") {
  const std::string yaml = ReadFile("examples/fashion-mnist/job.yaml");
  for (const std::vector<std::string>& set :
       {std::vector<std::string>{}, {"consistency={ssp: 3}"}, {"consistency=async"}}) {
    const auto spec = ParseJobSpec(yaml, "job.yaml", set);
    INFO(spec.status().ToString());
    CHECK(spec.ok());
  }
}

}  // namespace
}  // namespace paceline
