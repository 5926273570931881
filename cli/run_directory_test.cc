#include "cli/run_directory.h"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "common/base/file.h"
#include "common/job/job_spec.h"

namespace paceline::cli {
namespace {

namespace fs = std::filesystem;

v1::JobSpec Spec() {
  const auto spec =
      ParseJobSpec("{name: bare, model: {parameters: [{name: p, shape: [2]}]}}", "test", {});
  REQUIRE(spec.ok());
  return *spec;
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

  const auto directory = RunDirectory::Create(path, Spec());

  REQUIRE(directory.ok());
  CHECK((*directory)->path() == path);
  CHECK(Contents(path + "/spec.yaml") == SpecToYaml(Spec()));
  CHECK(fs::is_directory((*directory)->logs()));
  CHECK((*directory)->model() == path + "/model.safetensors");
}

TEST_CASE("metrics and events are there as soon as they are added, a line each") {
  const std::string path = Fresh("lines");
  const auto directory = RunDirectory::Create(path, Spec());
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

TEST_CASE("a folder that holds a run is refused and left as it is") {
  const std::string path = Fresh("taken");
  fs::create_directories(path);
  std::ofstream(path + "/spec.yaml") << "mine";

  const auto directory = RunDirectory::Create(path, Spec());

  CHECK(absl::IsAlreadyExists(directory.status()));
  CHECK(directory.status().message() ==
        path + " holds a run already; name another folder with --run-dir");
  CHECK(Contents(path + "/spec.yaml") == "mine");
  CHECK_FALSE(fs::exists(path + "/logs"));
}

TEST_CASE("a folder that cannot be made is an error with its path") {
  const std::string file = Fresh("file");
  std::ofstream{file};

  const auto directory = RunDirectory::Create(file + "/run", Spec());

  CHECK(absl::IsInvalidArgument(directory.status()));
  CHECK(directory.status().message() == "cannot make " + file + "/run/logs: Not a directory");
}

TEST_CASE("without a path, runs of the same second have folders of their own") {
  fs::create_directories(Fresh("here"));
  fs::current_path(fs::path(std::getenv("TEST_TMPDIR")) / "here");

  const auto first = RunDirectory::Create("", Spec());
  const auto second = RunDirectory::Create("", Spec());

  REQUIRE(first.ok());
  REQUIRE(second.ok());
  CHECK((*first)->path().find("runs/bare-2") == 0);
  CHECK((*first)->path() != (*second)->path());
}

TEST_CASE("a line that could not be written is told at the end") {
  const std::string path = Fresh("full");
  fs::create_directories(path);
  fs::create_symlink("/dev/full", path + "/metrics.jsonl");
  const auto directory = RunDirectory::Create(path, Spec());
  REQUIRE(directory.ok());

  (*directory)->AddMetrics({}, 1);

  const absl::Status status = (*directory)->WriteSummary("{}");
  CHECK(absl::IsResourceExhausted(status));
  CHECK(status.message() == "cannot write " + path + "/metrics.jsonl; is the disk full?");
  CHECK_FALSE(fs::exists(path + "/summary.json"));
}

}  // namespace
}  // namespace paceline::cli
