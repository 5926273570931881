// What scripts read: summary.json, metrics.jsonl, events.jsonl, messages as JSON.
#include <catch2/catch.hpp>
#include <limits>
#include <nlohmann/json.hpp>

#include "cli/example_job.h"
#include "cli/render.h"

namespace paceline::cli {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

std::vector<std::string> KeysOf(const nlohmann::ordered_json& json) {
  std::vector<std::string> keys;
  for (const auto& item : json.items()) keys.push_back(item.key());
  return keys;
}

TEST_CASE("summary.json has the keys that docs/cli.md promises, in its order") {
  const auto json = nlohmann::ordered_json::parse(SummaryJson(FinishedJob()));

  CHECK(KeysOf(json) == std::vector<std::string>{
                            "job",           "state",        "reason",         "mode",
                            "workers",       "servers",      "replicas",       "checkpoints",
                            "rounds",        "epochs",       "samples",        "wall_s",
                            "samples_per_s", "train_loss",   "train_accuracy", "eval",
                            "bytes_pushed",  "bytes_pulled", "staleness",      "weights_sha256",
                            "spec_sha256",   "version"});
  CHECK(json["state"] == "finished");
  CHECK(json["mode"] == "ssp(3)");
  CHECK(json["checkpoints"] == 0);
  CHECK(nlohmann::json::parse(SummaryJson(CheckpointedJob()))["checkpoints"] == 2);
  CHECK(json["rounds"] == 82);
  CHECK(json["train_accuracy"] == 0.875);
  CHECK(json["eval"] ==
        nlohmann::ordered_json::parse(R"({"loss": 0.25, "accuracy": 0.9, "samples": 500})"));
  // Both partitions' pushes, bucket by bucket: 50 + 60, 20 + 22, 12.
  CHECK(json["staleness"] == nlohmann::ordered_json::parse(R"({"0": 110, "1": 42, "2-3": 12})"));
}

TEST_CASE("summary.json of numbers and bytes that JSON does not know is JSON all the same") {
  v1::JobStatus job = FinishedJob();
  job.set_epoch_loss(kNaN);
  job.set_samples_per_s(kInfinity);
  job.mutable_evaluations(1)->set_loss(-kInfinity);
  job.mutable_evaluations(1)->clear_accuracy();
  job.set_reason("read \xff\xfe");

  const auto json = nlohmann::ordered_json::parse(SummaryJson(job));

  CHECK(json["train_loss"].is_null());
  CHECK(json["samples_per_s"].is_null());
  CHECK(json["eval"]["loss"].is_null());
  CHECK(json["eval"]["accuracy"].is_null());
  CHECK(json["reason"] == "read \ufffd\ufffd");
}

TEST_CASE("a job without evaluation has a null there, and more buckets than numbers do no harm") {
  v1::JobStatus job;
  v1::PartitionReport* partition = job.add_partitions();
  for (int bucket = 0; bucket < 66; ++bucket) partition->add_staleness(1);

  const auto json = nlohmann::ordered_json::parse(SummaryJson(job));

  CHECK(json["eval"].is_null());
  CHECK(json["staleness"]["4611686018427387904-9223372036854775807"] == 1);
  CHECK(json["staleness"]["9223372036854775808-"] == 1);
}

TEST_CASE("a line of metrics.jsonl has the keys that docs/cli.md promises") {
  v1::JobStatus job = RunningJob();
  job.set_recent_loss(kNaN);

  const std::string line =
      MetricsJson(job, 12.25, {FinishedJob().evaluations(0), FinishedJob().evaluations(1)});

  CHECK(line.find('\n') == std::string::npos);
  const auto json = nlohmann::ordered_json::parse(line);
  CHECK(KeysOf(json) == std::vector<std::string>{"unix_s", "wall_s", "state", "epoch", "rounds",
                                                 "samples", "samples_per_s", "loss", "epoch_loss",
                                                 "epoch_accuracy", "workers", "straggler",
                                                 "bytes_pushed", "bytes_pulled", "evaluations"});
  CHECK(json["evaluations"] == nlohmann::ordered_json::parse(R"(
      [{"epoch": 4, "loss": 0.4, "accuracy": null, "final": false},
       {"epoch": 5, "loss": 0.25, "accuracy": 0.9, "final": true}])"));
  CHECK(json["unix_s"] == 12.25);
  CHECK(json["loss"].is_null());
  CHECK(json["workers"] == 1);
  CHECK(json["straggler"].is_null());
}

TEST_CASE("a line of metrics.jsonl names the straggler, with its times") {
  v1::JobStatus job = RunningJob();
  AddStraggler(&job);

  const auto json = nlohmann::ordered_json::parse(MetricsJson(job, 1, {}));

  CHECK(json["straggler"] == nlohmann::ordered_json::parse(R"(
      {"worker": "w1", "times_median": 4.75, "limit": "compute",
       "compute_s": 0.0714, "wait_s": 12, "transfer_s": 0.002})"));
}

TEST_CASE("a line of events.jsonl has the keys that docs/cli.md promises") {
  v1::Event event;
  event.set_unix_s(kNaN);
  event.set_job("digits-7");
  event.set_kind("push-invalid");
  event.set_subject("w1");
  event.set_message("line\n\xff");

  const std::string line = EventJson(event);

  CHECK(line.find('\n') == std::string::npos);
  const auto json = nlohmann::ordered_json::parse(line);
  CHECK(KeysOf(json) == std::vector<std::string>{"unix_s", "job", "kind", "subject", "message"});
  CHECK(json["unix_s"].is_null());
  CHECK(json["message"] == "line\n\ufffd");
}

TEST_CASE("a message as JSON has the proto's field names, also of fields with no value") {
  const std::string line = MessageJson(RunningJob());

  CHECK(line.find('\n') == std::string::npos);
  const auto json = nlohmann::json::parse(line);
  CHECK(json["samples_per_s"] == 1312);
  CHECK(json["state"] == "RUNNING");
  CHECK(json["weights_sha256"] == "");
  CHECK(json["partitions"][0]["waits"][0]["on"] == nlohmann::json({"w1", "w3"}));
}

}  // namespace
}  // namespace paceline::cli
