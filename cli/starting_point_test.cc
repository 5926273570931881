#include "cli/starting_point.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "common/job/job_spec.h"
#include "common/job/parameters.h"
#include "common/job/partitioning.h"

namespace paceline::cli {
namespace {

constexpr char kSpec[] = R"(
name: digits
data: {format: csv, train: {path: /d.csv}}
model: {layers: [{linear: 300}, relu, {linear: 10}], loss: softmax_cross_entropy}
train: {epochs: 5, shards_per_round: 8}
optimizer: {adam: {learning_rate: 0.001}}
fleet: {servers: 3, workers: 4}
checkpoint: {path: /c}
)";

v1::JobSpec Spec(const std::vector<std::string>& set = {}) {
  const auto spec = ReadJobSpec(kSpec, "spec", set);
  INFO(spec.status().ToString());
  REQUIRE(spec.ok());
  return *spec;
}

v1::JobSpec Resolved(v1::JobSpec spec) {
  REQUIRE(ResolveJobSpec(&spec).ok());
  return spec;
}

// A checkpoint of kSpec's job on three servers, in its second segment, which is ssp.
v1::CheckpointManifest Manifest() {
  v1::CheckpointManifest manifest;
  manifest.set_checkpoint(12);
  manifest.set_job("digits-1");
  manifest.set_created("2026-01-02T03:04:05.000Z");
  *manifest.mutable_spec() = Resolved(Spec());
  manifest.mutable_facts()->set_features(200);
  manifest.mutable_facts()->set_train_samples(1000);
  manifest.mutable_segment()->set_index(1);
  manifest.mutable_segment()->set_first_version(40);
  manifest.mutable_segment()->set_first_shard(320);
  manifest.mutable_segment()->mutable_consistency()->mutable_ssp()->set_staleness(3);
  const auto parameters = ParametersOf(manifest.spec(), manifest.facts());
  REQUIRE(parameters.ok());
  for (const ParameterInfo& parameter : *parameters) {
    v1::CheckpointParameter* const held = manifest.add_parameters();
    held->set_name(parameter.name);
    held->mutable_shape()->Add(parameter.shape.begin(), parameter.shape.end());
  }
  for (const Partition& partition : PartitionsOf(*parameters, 3, false)) {
    v1::CheckpointPartition* const held = manifest.add_partitions();
    held->set_partition(partition.id);
    held->set_offset(partition.offset);
    held->set_elements(partition.elements);
    held->set_version(55 + partition.id);
  }
  REQUIRE(manifest.partitions_size() == 3);
  return manifest;
}

v1::RestoreOrigin Origin() {
  v1::RestoreOrigin origin;
  origin.set_path("/c");
  origin.set_job("digits-1");
  origin.set_id(12);
  return origin;
}

v1::SubmitJobRequest RequestOf(const v1::JobSpec& spec) {
  v1::SubmitJobRequest request;
  *request.mutable_spec() = spec;
  return request;
}

TEST_CASE("a job goes on from a checkpoint in its segment, with its partitions, on another fleet") {
  v1::SubmitJobRequest request =
      RequestOf(Spec({"consistency={ssp: 3}", "fleet={servers: 1, workers: 2, replicas: 1}",
                      "train.epochs=7", "optimizer.adam.learning_rate=0.01"}));

  const absl::Status status = StartFrom(Manifest(), Origin(), &request);

  INFO(status.ToString());
  REQUIRE(status.ok());
  CHECK(request.start().origin().path() == "/c");
  CHECK(request.start().origin().job() == "digits-1");
  CHECK(request.start().origin().id() == 12);
  CHECK(request.start().segment().index() == 0);
  CHECK(request.start().segment().first_version() == 40);
  CHECK(request.start().segment().first_shard() == 320);
  CHECK(request.start().segment().consistency().ssp().staleness() == 3);
  CHECK(request.start().facts().features() == 200);
  CHECK(request.spec().fleet().servers() == 1);
  CHECK(request.spec().fleet().layout_servers() == 3);
  // 8 / 4 workers in the checkpoint; 8 / 2 would have been this fleet's default.
  CHECK(request.spec().train().shards_per_push() == 2);
  CHECK(request.spec().train().epochs() == 7);
  CHECK(SpecSha256(Resolved(request.spec())) == SpecSha256(request.spec()));
}

// What is said of kSpec in mode ssp(3) with `set` over it, having checked that nothing is changed.
std::string Refusal(std::vector<std::string> set,
                    const v1::CheckpointManifest& manifest = Manifest()) {
  set.insert(set.begin(), "consistency={ssp: 3}");
  v1::SubmitJobRequest request = RequestOf(Spec(set));
  const std::string before = request.SerializeAsString();
  const absl::Status status = StartFrom(manifest, Origin(), &request);
  CHECK(absl::IsInvalidArgument(status));
  CHECK(request.SerializeAsString() == before);
  return std::string(status.message());
}

TEST_CASE("what does not go on from a checkpoint is told: what was seen, what was wanted") {
  const std::string begin = "the spec does not go on from the checkpoint: ";
  CHECK(Refusal({"model.layers.0.linear=64"}) ==
        begin +
            "the model's parameter 0 is layers.0.weight [200, 64]; wanted layers.0.weight "
            "[200, 300], as the checkpoint has");
  CHECK(Refusal({"model.layers=[{linear: 300}, relu, {linear: 10}, {linear: 10}]"}) ==
        begin + "the count of the model's parameters is 6; wanted 4, as the checkpoint has");
  CHECK(Refusal({"optimizer=sgd"}) ==
        begin + "optimizer is sgd; wanted adam, whose state the checkpoint has");
  CHECK(Refusal({"seed=9"}) == begin + "seed is 9; wanted 1, as the checkpoint has");
  CHECK(Refusal({"data.shard_samples=16"}) ==
        begin + "data.shard_samples is 16; wanted 32, as the checkpoint has");
  CHECK(Refusal({"train={epochs: 5, shards_per_round: 4, shards_per_push: 2}"}) ==
        begin + "train.shards_per_round is 4; wanted 8, as the checkpoint has");
  CHECK(Refusal({"train.shards_per_push=5"}) ==
        begin + "train.shards_per_push is 5; wanted 2, as the checkpoint has");
  // What is written counts, though it is what this fleet would have had anyway: 8 / 2 workers.
  CHECK(Refusal({"fleet.workers=2", "train.shards_per_push=4"}) ==
        begin + "train.shards_per_push is 4; wanted 2, as the checkpoint has");
  CHECK(Refusal({"train.epochs=4"}) ==
        begin + "train.epochs is 4; wanted 5, as the checkpoint has, or more");
  CHECK(absl::StartsWith(Refusal({"consistency=async"}),
                         begin + "consistency is async; wanted ssp(3), in which"));
  CHECK(Refusal({"fleet.layout_servers=1"}) ==
        begin + "fleet.layout_servers is 1; wanted 3, as the checkpoint has");
}

TEST_CASE("partitions that this release would cut otherwise are refused") {
  v1::CheckpointManifest manifest = Manifest();
  manifest.set_release("0.0.9");
  manifest.mutable_partitions(1)->set_elements(manifest.partitions(1).elements() + 1);

  CHECK(Refusal({}, manifest) ==
        "the checkpoint's 3 partitions, written by release 0.0.9, are not as this release cuts "
        "them");
}

TEST_CASE("the checkpoint's own spec is in the mode that was under way, with overrides over it") {
  const auto spec = SpecInCheckpoint(
      Manifest(), {"fleet.workers=8", "checkpoint.path=kept", "name=other"}, "/home");

  INFO(spec.status().ToString());
  REQUIRE(spec.ok());
  CHECK(spec->consistency().ssp().staleness() == 3);
  CHECK(spec->fleet().workers() == 8);
  CHECK(spec->name() == "other");
  CHECK(spec->checkpoint().path() == "/home/kept");
  CHECK(spec->data().train().path() == "/d.csv");
  v1::SubmitJobRequest request = RequestOf(*spec);
  CHECK(StartFrom(Manifest(), Origin(), &request).ok());
  // It says what a push is, whatever the count of workers.
  CHECK(request.spec().train().shards_per_push() == 2);
  const auto other =
      SpecInCheckpoint(Manifest(), {"train.shards_per_push=4", "fleet.workers=2"}, "/home");
  REQUIRE(other.ok());
  request = RequestOf(*other);
  CHECK(absl::IsInvalidArgument(StartFrom(Manifest(), Origin(), &request)));

  CHECK(
      absl::IsInvalidArgument(SpecInCheckpoint(Manifest(), {"fleet.workers=0"}, "/home").status()));
  v1::CheckpointManifest broken = Manifest();
  broken.mutable_spec()->clear_model();
  CHECK(absl::IsDataLoss(SpecInCheckpoint(broken, {}, "/home").status()));
}

TEST_CASE("bare parameters go on, too") {
  constexpr char kBare[] =
      "{name: bare, model: {parameters: [{name: p, shape: [2]}]}, consistency: async}";
  v1::CheckpointManifest manifest = Manifest();
  *manifest.mutable_spec() = ParseJobSpec(kBare, "spec", {}).value();
  manifest.mutable_facts()->Clear();  // As servers write it.
  manifest.mutable_segment()->mutable_consistency()->mutable_async();
  manifest.clear_parameters();
  manifest.add_parameters()->set_name("p");
  manifest.mutable_parameters(0)->add_shape(2);
  manifest.clear_partitions();
  manifest.add_partitions()->set_elements(2);
  v1::SubmitJobRequest request = RequestOf(manifest.spec());

  const absl::Status status = StartFrom(manifest, Origin(), &request);

  INFO(status.ToString());
  REQUIRE(status.ok());
  CHECK_FALSE(request.start().has_facts());
}

TEST_CASE("people and scripts are told the same of what would be submitted") {
  v1::SubmitJobRequest request = RequestOf(Spec({"consistency={ssp: 3}", "fleet.servers=1"}));
  REQUIRE(StartFrom(Manifest(), Origin(), &request).ok());

  CHECK(StartText(Manifest(), request) ==
        "checkpoint  12 of digits-1 in /c\n"
        "taken       2026-01-02T03:04:05.000Z, version 55, 0 B\n"
        "goes on as  a new job digits, adam, ssp(3)\n"
        "fleet       1 server, 4 workers, replicas 1\n"
        "partitions  3, cut as for 3 servers\n");
  const auto json = nlohmann::json::parse(StartJson(Manifest(), request));
  CHECK(json["path"] == "/c");
  CHECK(json["job"] == "digits-1");
  CHECK(json["checkpoint"] == 12);
  CHECK(json["version"] == 55);
  CHECK(json["name"] == "digits");
  CHECK(json["servers"] == 1);
  CHECK(json["layout_servers"] == 3);
  CHECK(json["spec_sha256"] == SpecSha256(request.spec()));
}

}  // namespace
}  // namespace paceline::cli
