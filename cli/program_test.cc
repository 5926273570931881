// The program as a shell sees it: what it prints, its exit status, what it leaves when interrupted.
#include <signal.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "cli/process.h"
#include "cli/test_files.h"
#include "server/checkpoint/checkpoint_store.h"
#include "server/checkpoint/example_checkpoint.h"
#include "server/checkpoint/posix_file_system.h"

namespace paceline::cli {
namespace {

namespace fs = std::filesystem;

constexpr char kProgram[] = "cli/paceline";
constexpr char kServer[] = "server/paceline-server";
// For what only a machine under great load takes.
constexpr absl::Duration kPatience = absl::Seconds(40);

std::string Contents(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

struct Outcome {
  std::string ended;  // As Process::Ended says it.
  std::string text;   // Standard output and error.
};

Outcome Paceline(std::vector<std::string> arguments) {
  const fs::path log = Folder("command") / "text";
  arguments.insert(arguments.begin(), kProgram);
  const auto process = Process::Start(arguments, log.string());
  REQUIRE(process.ok());
  REQUIRE((*process)->WaitFor(kPatience));
  return {*(*process)->Ended(), Contents(log)};
}

// Whether it came to be before `process` ended or our patience did.
bool Await(Process* process, const std::function<bool()>& is_so) {
  const absl::Time end = absl::Now() + kPatience;
  while (!is_so()) {
    if (absl::Now() > end || process->WaitFor(absl::Milliseconds(10))) return false;
  }
  return true;
}

// A run of one small job with the programs in `folder`/programs.
std::unique_ptr<Process> StartRun(const fs::path& folder) {
  std::ofstream(folder / "train.csv") << "1,2\n";
  std::ofstream(folder / "job.yaml") << "name: small\n"
                                        "data: {format: csv, train: {path: train.csv}}\n"
                                        "model: {layers: [{linear: 1}], loss: mse}\n"
                                        "fleet: {workers: 2}\n";
  auto process =
      Process::Start({kProgram, "run", (folder / "job.yaml").string(), "--run-dir",
                      (folder / "run").string(), "--programs", (folder / "programs").string()},
                     (folder / "text").string());
  REQUIRE(process.ok());
  return std::move(*process);
}

nlohmann::json Summary(const fs::path& folder) {
  INFO(Contents(folder / "text"));
  const auto json = nlohmann::json::parse(Contents(folder / "run/summary.json"), nullptr, false);
  REQUIRE(!json.is_discarded());
  return json;
}

TEST_CASE("a wrong command line is told as every error, with exit status 2") {
  const Outcome unknown = Paceline({"frobnicate"});
  CHECK(unknown.ended == "exit status 2");
  CHECK(unknown.text ==
        "paceline: no command \"frobnicate\"\nRun with --help for more information.\n");

  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{}, {"list", "--nope"}, {"submit"}, {"list", "--fleet", "here"}}) {
    const Outcome outcome = Paceline(arguments);
    INFO(outcome.text);
    CHECK(outcome.ended == "exit status 2");
    CHECK(absl::StartsWith(outcome.text, "paceline: "));
    CHECK(absl::EndsWith(outcome.text, "\nRun with --help for more information.\n"));
  }
}

TEST_CASE("a wrong spec is told with its line, with exit status 2") {
  const fs::path folder = Folder("spec");
  std::ofstream(folder / "job.yaml") << "name: small\n"
                                        "data: {format: csv, train: {path: train.csv}}\n"
                                        "model: {layers: [{linear: 1}], loss: mse}\n"
                                        "optimizer:\n"
                                        "  adam:\n"
                                        "    learning_rate: 0\n";
  const std::string path = (folder / "job.yaml").string();

  const Outcome outcome = Paceline({"submit", path});

  CHECK(outcome.ended == "exit status 2");
  CHECK(outcome.text == "paceline: " + path +
                            ":6: optimizer.adam.learning_rate is 0; wanted a finite number > 0\n");
}

TEST_CASE("an object store is refused where it is typed, with what works, and exit status 2") {
  const fs::path folder = Folder("spec");
  std::ofstream(folder / "job.yaml") << "name: small\n"
                                        "data: {format: csv, train: {path: train.csv}}\n"
                                        "model: {layers: [{linear: 1}], loss: mse}\n"
                                        "checkpoint: {path: \"s3://bucket/runs\"}\n";
  const std::string path = (folder / "job.yaml").string();

  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"submit", path},
        {"run", path},
        {"restore", "s3://bucket/runs/a-1:3"},
        {"checkpoint", "take", "j-1", "--path", "s3://bucket/runs"},
        {"fork", "j-1", "--path", "s3://bucket/runs"}}) {
    const Outcome outcome = Paceline(arguments);
    INFO(outcome.text);
    CHECK(outcome.ended == "exit status 2");
    CHECK(absl::StrContains(outcome.text, "is 's3://bucket/runs"));
    CHECK(absl::StrContains(outcome.text, "wanted a folder of a mounted file system"));
  }
}

TEST_CASE("a wrong mode is told as itself, with exit status 2") {
  const Outcome outcome = Paceline({"mode", "j-1", "asynk"});

  CHECK(outcome.ended == "exit status 2");
  CHECK(outcome.text == "paceline: consistency is 'asynk'; did you mean 'async'?\n");
}

TEST_CASE("where no coordinator answers, every command says what to do, with exit status 3") {
  // Nobody listens at port 1 of a machine that runs tests.
  for (const std::vector<std::string>& command : {std::vector<std::string>{"list"},
                                                  {"status"},
                                                  {"cancel", "j-1"},
                                                  {"logs"},
                                                  {"mode", "j-1", "{quorum: 3}"},
                                                  {"checkpoint", "take", "j-1"},
                                                  {"fork", "j-1"}}) {
    std::vector<std::string> arguments = command;
    arguments.insert(arguments.end(), {"--fleet", "127.0.0.1:1"});

    const Outcome outcome = Paceline(arguments);

    INFO(outcome.text);
    CHECK(outcome.ended == "exit status 3");
    CHECK(absl::StartsWith(outcome.text, "paceline: no coordinator answers at 127.0.0.1:1 ("));
    CHECK(absl::StrContains(outcome.text, "--fleet host:port"));
    CHECK(absl::StrContains(outcome.text, "PACELINE_FLEET"));
    CHECK(absl::StrContains(outcome.text, "paceline doctor --fleet 127.0.0.1:1"));
  }
}

TEST_CASE("checkpoint commands take their words from the command line") {
  CHECK(Paceline({"checkpoint"}).ended == "exit status 2");
  CHECK(Paceline({"checkpoint", "verify", "x", "--checkpoint", "0"}).ended == "exit status 2");
  for (const std::vector<std::string>& command :
       {std::vector<std::string>{"checkpoint", "list", "/nowhere/job-1"},
        {"checkpoint", "export", "/nowhere/job-1", "model", "--checkpoint", "3", "--json"},
        {"checkpoint", "restore", "--dry-run", "/nowhere/job-1:3"},
        {"restore", "/nowhere/job-1"}}) {
    const Outcome outcome = Paceline(command);
    INFO(outcome.text);
    CHECK(outcome.ended == "exit status 2");
    CHECK(absl::StrContains(outcome.text, "/nowhere/job-1"));
  }
}

TEST_CASE("a damaged checkpoint is not restored, and the one before it named, with status 6") {
  const fs::path folder = Folder("kept") / "example-1";
  PosixFileSystem files;
  const auto store = CheckpointStore::Create(&files, folder.string());
  REQUIRE(store.ok());
  REQUIRE(WriteExampleCheckpoint(store->get(), 1).ok());
  REQUIRE(WriteExampleCheckpoint(store->get(), 2).ok());
  std::ofstream(folder / "manifests/0000000002.json", std::ios::app) << "}";

  const Outcome outcome = Paceline({"restore", "--dry-run", folder.parent_path().string()});

  INFO(outcome.text);
  CHECK(outcome.ended == "exit status 6");
  CHECK(absl::StartsWith(outcome.text, "paceline: checkpoint 2 cannot be used: "));
  CHECK(absl::EndsWith(outcome.text, "; checkpoint 1 is whole\n"));
}

TEST_CASE("a job that is to be kept nowhere is not submitted, with exit status 2") {
  const fs::path folder = Folder("nowhere");
  std::ofstream(folder / "job.yaml")
      << "{name: small, model: {parameters: [{name: p, shape: [2]}]}, "
         "checkpoint: {every_s: 5}}";

  const Outcome outcome =
      Paceline({"submit", (folder / "job.yaml").string(), "--fleet", "127.0.0.1:1"});

  CHECK(outcome.ended == "exit status 2");
  CHECK(absl::StartsWith(outcome.text, "paceline: checkpoint.path is not given; wanted a folder"));
}

TEST_CASE("a run that is interrupted before its fleet is there leaves a summary") {
  const fs::path folder = Folder("early");
  fs::create_directories(folder / "programs");
  MakeProgram(folder / "programs/paceline-server", "exec sleep 600");
  MakeProgram(folder / "programs/paceline-worker", "exec sleep 600");
  const auto run = StartRun(folder);
  REQUIRE(Await(run.get(), [&] { return fs::exists(folder / "run/logs/server-0.log"); }));

  run->Signal(SIGINT);

  REQUIRE(run->WaitFor(kPatience));
  CHECK(*run->Ended() == "exit status 130");
  const nlohmann::json summary = Summary(folder);
  CHECK(summary["state"] == "interrupted");
  CHECK(summary["reason"] == "interrupted by Ctrl-C or SIGTERM");
  CHECK(summary["job"] == "");
  CHECK(summary["mode"] == "sync");
  CHECK(summary["workers"] == 2);
  CHECK(summary["samples"] == 0);
  CHECK(summary["train_loss"].is_null());
  CHECK(summary["spec_sha256"].get<std::string>().size() == 64);
}

TEST_CASE("a run that is interrupted while its job is on leaves what is known of the job") {
  const fs::path folder = Folder("late");
  fs::create_directories(folder / "programs");
  fs::create_symlink(fs::absolute(kServer), folder / "programs/paceline-server");
  MakeProgram(folder / "programs/paceline-worker", "exec sleep 600");
  const auto run = StartRun(folder);
  const auto has_metrics = [&] { return !Contents(folder / "run/metrics.jsonl").empty(); };
  const bool began = Await(run.get(), has_metrics);
  INFO(Contents(folder / "text"));
  REQUIRE(began);

  run->Signal(SIGTERM);

  REQUIRE(run->WaitFor(kPatience));
  CHECK(*run->Ended() == "exit status 130");
  const nlohmann::json summary = Summary(folder);
  CHECK(summary["state"] == "interrupted");
  CHECK(summary["job"] == "small-1");
  CHECK(absl::StrContains(Contents(folder / "text"),
                          "what is known of the run is in " + (folder / "run").string()));
}

TEST_CASE("a run whose fleet breaks leaves a summary that says so") {
  const fs::path folder = Folder("broken");
  fs::create_directories(folder / "programs");
  fs::create_symlink(fs::absolute(kServer), folder / "programs/paceline-server");
  MakeProgram(folder / "programs/paceline-worker", "exit 1");

  const auto run = StartRun(folder);

  REQUIRE(run->WaitFor(kPatience));
  CHECK(*run->Ended() == "exit status 5");
  const nlohmann::json summary = Summary(folder);
  CHECK(summary["state"] == "failed");
  CHECK(summary["reason"] == "every worker of the private fleet has ended");
}

}  // namespace
}  // namespace paceline::cli
