#include "cli/run_directory.h"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "common/base/file.h"
#include "common/job/job_spec.h"
#include "server/checkpoint/safetensors.h"

namespace paceline::cli {
namespace {

namespace fs = std::filesystem;

v1::JobSpec Spec() {
  const auto spec =
      ParseJobSpec("{name: bare, model: {parameters: [{name: p, shape: [2]}]}}", "test", {});
  REQUIRE(spec.ok());
  return *spec;
}

// As Create wants it.
absl::StatusOr<std::unique_ptr<RunDirectory>> Create(const std::string& path) {
  v1::JobSpec spec = Spec();
  return RunDirectory::Create(path, &spec);
}

// A path at which nothing is.
std::string Fresh(const std::string& name) {
  const fs::path path = fs::path(std::getenv("TEST_TMPDIR")) / name;
  fs::remove_all(path);
  return path.string();
}

std::string Contents(const std::string& path) { return *ReadFile(path, 1 << 20); }

TEST_CASE("a run directory begins with the resolved spec and a folder for logs") {
  const std::string path = Fresh("new/run");

  const auto directory = Create(path);

  REQUIRE(directory.ok());
  CHECK((*directory)->path() == path);
  CHECK(Contents(path + "/spec.yaml") == SpecToYaml(Spec()));
  CHECK(fs::is_directory((*directory)->logs()));
  CHECK((*directory)->model() == path + "/model.safetensors");
}

TEST_CASE("metrics and events are there as soon as they are added, a line each") {
  const std::string path = Fresh("lines");
  const auto directory = Create(path);
  REQUIRE(directory.ok());
  v1::Event event;
  event.set_kind("worker-joined");

  (*directory)->AddMetrics({}, 1.5);
  (*directory)->AddMetrics({}, 1.7);
  (*directory)->AddEvent(event);

  const std::string metrics = Contents(path + "/metrics.jsonl");
  CHECK(metrics.find("{\"unix_s\":1.5,") == 0);
  CHECK(metrics.find("}\n{\"unix_s\":1.7,") != std::string::npos);
  CHECK(Contents(path + "/events.jsonl") ==
        R"({"unix_s":0.0,"job":"","kind":"worker-joined","subject":"","message":""})"
        "\n");
  REQUIRE((*directory)->WriteSummary("{}").ok());
  CHECK(Contents(path + "/summary.json") == "{}\n");
}

TEST_CASE("each evaluation is in one line, however many there are") {
  const std::string path = Fresh("evaluations");
  const auto directory = Create(path);
  REQUIRE(directory.ok());
  v1::JobStatus job;

  for (uint32_t epoch = 1; epoch <= 300; ++epoch) {
    job.add_evaluations()->set_epoch(epoch);
    (*directory)->AddMetrics(job, epoch);
  }
  job.mutable_evaluations()->rbegin()->set_final(true);
  (*directory)->AddMetrics(job, 301);

  const std::string metrics = Contents(path + "/metrics.jsonl");
  size_t count = 0;
  for (size_t at = 0; (at = metrics.find("{\"epoch\":", at)) != std::string::npos; ++at) ++count;
  CHECK(count == 301);
  CHECK(metrics.find("\"evaluations\":[{\"epoch\":7,\"loss\":0.0,\"accuracy\":null,"
                     "\"final\":false}]}\n") != std::string::npos);
}

TEST_CASE("a folder that holds a run is refused and left as it is") {
  const std::string path = Fresh("taken");
  fs::create_directories(path);
  std::ofstream(path + "/spec.yaml") << "mine";

  const auto directory = Create(path);

  CHECK(absl::IsAlreadyExists(directory.status()));
  CHECK(directory.status().message() ==
        path + " holds a run already; name another folder with --run-dir");
  CHECK(Contents(path + "/spec.yaml") == "mine");
  CHECK_FALSE(fs::exists(path + "/logs"));
}

TEST_CASE("a folder that cannot be made is an error with its path") {
  const std::string file = Fresh("file");
  std::ofstream{file};

  const auto directory = Create(file + "/run");

  CHECK(absl::IsInvalidArgument(directory.status()));
  CHECK(directory.status().message() == "cannot make " + file + "/run/logs: Not a directory");
}

TEST_CASE("without a path, runs of the same second have folders of their own") {
  fs::create_directories(Fresh("here"));
  fs::current_path(fs::path(std::getenv("TEST_TMPDIR")) / "here");

  const auto first = Create("");
  const auto second = Create("");

  REQUIRE(first.ok());
  REQUIRE(second.ok());
  CHECK((*first)->path().find("runs/bare-2") == 0);
  CHECK((*first)->path() != (*second)->path());
}

TEST_CASE("checkpoints that the spec puts nowhere get a folder in the run's own") {
  const std::string path = Fresh("kept");
  fs::create_directories(path);
  fs::current_path(path);
  v1::JobSpec spec = Spec();
  spec.mutable_checkpoint()->set_every_s(5);

  const auto directory = RunDirectory::Create("run", &spec);

  REQUIRE(directory.ok());
  CHECK(spec.checkpoint().path() == path + "/run/checkpoints");
  CHECK(fs::is_directory(path + "/run/checkpoints"));
  CHECK(Contents(path + "/run/spec.yaml") == SpecToYaml(spec));

  spec.mutable_checkpoint()->set_path("/elsewhere");
  REQUIRE(RunDirectory::Create("other", &spec).ok());
  CHECK(spec.checkpoint().path() == "/elsewhere");
  CHECK_FALSE(fs::exists(path + "/other/checkpoints"));
}

// w = [[1, 2], [3, 4]] and the number b = -0.5.
std::vector<ParameterInfo> Two() {
  ParameterInfo w;
  w.name = "w";
  w.shape = {2, 2};
  w.elements = 4;
  ParameterInfo b;
  b.name = "b";
  b.elements = 1;
  b.offset = 4;
  return {w, b};
}
const std::vector<float> kFlat = {1, 2, 3, 4, -0.5f};

TEST_CASE("the model is one safetensors file") {
  const auto directory = Create(Fresh("model"));
  REQUIRE(directory.ok());

  REQUIRE((*directory)->WriteModel(Two(), kFlat, {{"job", "j-1"}}).ok());

  const std::string file = Contents((*directory)->model());
  const auto read = ReadSafetensors(file);
  REQUIRE(read.ok());
  CHECK(read->metadata.at("job") == "j-1");
  REQUIRE(read->tensors.size() == 2);
  CHECK(read->tensors.at("w").shape == std::vector<uint64_t>{2, 2});
  CHECK(read->tensors.at("b").shape.empty());
  // IEEE 754 little-endian.
  CHECK(read->tensors.at("b").bytes == absl::string_view("\0\0\0\xbf", 4));
  CHECK(file.substr(file.size() - 20, 8) == std::string("\0\0\x80\x3f\0\0\0\x40", 8));
}

TEST_CASE("a model of another size, or with a name that no tensor can have, is not written") {
  const auto directory = Create(Fresh("refused"));
  REQUIRE(directory.ok());
  std::vector<ParameterInfo> named = Two();
  named[0].name = "__metadata__";

  const absl::Status few = (*directory)->WriteModel(Two(), {kFlat.data(), 4}, {});

  CHECK(absl::IsInvalidArgument(few));
  CHECK(few.message() == (*directory)->model() + ": 4 elements for parameters of 5");
  CHECK(absl::IsInvalidArgument((*directory)->WriteModel(named, kFlat, {})));
  CHECK_FALSE(fs::exists((*directory)->model()));
}

TEST_CASE("a line that could not be written is told at the end") {
  const std::string path = Fresh("full");
  fs::create_directories(path);
  fs::create_symlink("/dev/full", path + "/metrics.jsonl");
  const auto directory = Create(path);
  REQUIRE(directory.ok());

  (*directory)->AddMetrics({}, 1);

  const absl::Status status = (*directory)->WriteSummary("{}");
  CHECK(absl::IsResourceExhausted(status));
  CHECK(status.message() == "cannot write " + path + "/metrics.jsonl; is the disk full?");
  CHECK_FALSE(fs::exists(path + "/summary.json"));
}

}  // namespace
}  // namespace paceline::cli
