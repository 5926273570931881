#include "tests/integration/fleet.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "common/base/random.h"

namespace paceline {
namespace {

namespace fs = std::filesystem;

constexpr char kServer[] = "server/paceline-server";
constexpr char kWorker[] = "worker/paceline-worker";
constexpr char kCommand[] = "cli/paceline";

std::string Quoted(const std::string& text) {
  return absl::StrCat("'", absl::StrReplaceAll(text, {{"'", "'\\''"}}), "'");
}

void AddSets(const std::vector<std::string>& sets, std::vector<std::string>* arguments) {
  for (const std::string& set : sets) arguments->insert(arguments->end(), {"--set", set});
}

}  // namespace

std::string TestFolder(const std::string& name) {
  static int count = 0;
  const char* base = std::getenv("TEST_TMPDIR");
  const fs::path folder =
      fs::path(base != nullptr ? base : "/tmp") / absl::StrCat(name, "-", ::getpid(), "-", ++count);
  fs::create_directories(folder);
  return folder.string();
}

void WriteText(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

std::string ReadText(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

std::string MakeCsv(const std::string& path, int samples) {
  const RandomStream stream(1, "test samples");
  std::string text;
  for (int i = 0; i < samples; ++i) {
    float sum = 0;
    for (int j = 0; j < 16; ++j) {
      const float x = stream.Uniform(static_cast<uint64_t>(i) * 16 + j) - 0.5f;
      sum += j % 2 == 0 ? x : -x;
      absl::StrAppend(&text, x, ",");
    }
    absl::StrAppend(&text, sum > 0 ? 1 : 0, "\n");
  }
  WriteText(path, text);
  return path;
}

std::string MakeSpec(const std::string& path, const std::string& csv, const std::string& more) {
  WriteText(path, absl::StrCat("name: small\nseed: 3\n", "data: {format: csv, train: {path: ", csv,
                               "}, split: {eval_fraction: 0.2}, shard_samples: 16}\n",
                               "model: {layers: [{linear: 4096}, relu, {linear: 2}], "
                               "loss: softmax_cross_entropy}\n",
                               "optimizer: {adam: {learning_rate: 0.002}}\n", more));
  return path;
}

Json CommandResult::json() const {
  INFO("standard output: " << out << "\nstandard error: " << err);
  const Json parsed = Json::parse(out, nullptr, false);
  REQUIRE(!parsed.is_discarded());
  return parsed;
}

CommandResult Paceline(const std::vector<std::string>& arguments,
                       const std::vector<std::string>& enter) {
  const std::string folder = TestFolder("command");
  std::string line = absl::StrJoin(enter, " ");
  absl::StrAppend(&line, enter.empty() ? "" : " ", kCommand);
  for (const std::string& argument : arguments) absl::StrAppend(&line, " ", Quoted(argument));
  absl::StrAppend(&line, " >", folder, "/out 2>", folder, "/err </dev/null");
  const int status = std::system(line.c_str());
  CommandResult result;
  result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  result.out = ReadText(folder + "/out");
  result.err = ReadText(folder + "/err");
  return result;
}

Json RunToEnd(const std::string& spec, const std::vector<std::string>& sets) {
  std::vector<std::string> arguments = {"run",       spec,
                                        "--json",    "--worker-flag=--backend=cpu",
                                        "--run-dir", TestFolder("run")};
  AddSets(sets, &arguments);
  const CommandResult result = Paceline(arguments);
  INFO(result.err);
  REQUIRE(result.exit_code == 0);
  return result.json();
}

bool Eventually(const std::function<bool()>& condition, absl::Duration timeout) {
  const absl::Time end = absl::Now() + timeout;
  while (!condition()) {
    if (absl::Now() > end) return false;
    absl::SleepFor(absl::Milliseconds(50));
  }
  return true;
}

Fleet::Fleet(const FleetOptions& options) : options_(options), folder_(TestFolder("fleet")) {
  if (!options_.etcd.empty()) {
    StartCandidates();
    return;
  }
  const std::string name = options_.separate_coordinator ? "coordinator" : "server-0";
  Start(name, CoordinatorArguments(host(name).address + ":0"));
  REQUIRE(Eventually([&] {
    coordinator_ = std::string(absl::StripAsciiWhitespace(ReadText(folder_ + "/port")));
    return !coordinator_.empty();
  }));
  for (int i = options_.separate_coordinator ? 0 : 1; i < options_.servers; ++i) {
    StartServer(absl::StrCat("server-", i));
  }
  for (int i = 0; i < options_.workers; ++i) StartWorker(absl::StrCat("worker-", i));
}

void Fleet::StartCandidates() {
  for (int i = 0; i < options_.servers; ++i) {
    const std::string name = absl::StrCat("server-", i);
    const std::string port = absl::StrCat(folder_, "/", name, ".port");
    std::vector<std::string> arguments = {kServer, "--id=" + name, "--listen=" + host(name).address + ":0",
                                          "--port-file=" + port, "--store=" + options_.etcd};
    arguments.insert(arguments.end(), options_.server_flags.begin(), options_.server_flags.end());
    Start(name, arguments);
    std::string address;
    REQUIRE(Eventually([&] {
      address = std::string(absl::StripAsciiWhitespace(ReadText(port)));
      return !address.empty();
    }));
    absl::StrAppend(&coordinator_, coordinator_.empty() ? "" : ",", address);
  }
  for (int i = 0; i < options_.workers; ++i) StartWorker(absl::StrCat("worker-", i));
}

Fleet::~Fleet() {
  for (auto& [name, process] : processes_) process->Signal(SIGCONT);
  for (auto& [name, process] : processes_) process->Signal(SIGTERM);
}

std::vector<std::string> Fleet::CoordinatorArguments(const std::string& listen) const {
  const std::string& store = options_.store_folder.empty() ? folder_ : options_.store_folder;
  std::vector<std::string> arguments = {
      kServer, options_.separate_coordinator ? "--id=coordinator" : "--id=server-0",
      "--listen=" + listen, "--port-file=" + folder_ + "/port",
      "--store=sqlite:" + store + "/store.db"};
  if (options_.separate_coordinator) arguments.push_back("--roles=coordinator");
  arguments.insert(arguments.end(), options_.server_flags.begin(), options_.server_flags.end());
  return arguments;
}

Host Fleet::host(const std::string& name) const {
  return options_.host != nullptr ? options_.host(name) : Host();
}

void Fleet::Start(const std::string& name, const std::vector<std::string>& arguments) {
  std::vector<std::string> line = host(name).enter;
  line.insert(line.end(), arguments.begin(), arguments.end());
  auto process = cli::Process::Start(line, absl::StrCat(folder_, "/", name, ".log"));
  REQUIRE(process.ok());
  processes_[name] = *std::move(process);
}

cli::Process& Fleet::process(const std::string& name) {
  REQUIRE(processes_.count(name) == 1);
  return *processes_[name];
}

void Fleet::StartWorker(const std::string& name, const std::vector<std::string>& flags) {
  std::vector<std::string> arguments = {kWorker, "--id=" + name, "--join=" + coordinator_,
                                        "--backend=cpu"};
  arguments.insert(arguments.end(), options_.worker_flags.begin(), options_.worker_flags.end());
  arguments.insert(arguments.end(), flags.begin(), flags.end());
  Start(name, arguments);
}

void Fleet::StartServer(const std::string& name, const std::vector<std::string>& flags) {
  std::vector<std::string> arguments = {kServer, "--id=" + name,
                                        "--listen=" + host(name).address + ":0",
                                        "--roles=parameters", "--join=" + coordinator_};
  arguments.insert(arguments.end(), options_.server_flags.begin(), options_.server_flags.end());
  arguments.insert(arguments.end(), flags.begin(), flags.end());
  Start(name, arguments);
}

void Fleet::RestartCoordinator() { Start("coordinator", CoordinatorArguments(coordinator_)); }

void Fleet::Kill(const std::string& name) {
  process(name).Signal(SIGKILL);
  REQUIRE(process(name).WaitFor(absl::Seconds(10)));
}

std::string Fleet::Log(const std::string& name) const {
  return ReadText(absl::StrCat(folder_, "/", name, ".log"));
}

CommandResult Fleet::Paceline(std::vector<std::string> arguments) const {
  arguments.insert(arguments.end(), {"--fleet", coordinator_});
  return paceline::Paceline(arguments, host("people").enter);
}

std::string Fleet::Submit(const std::string& spec, const std::vector<std::string>& sets) const {
  std::vector<std::string> arguments = {"submit", spec};
  AddSets(sets, &arguments);
  const CommandResult result = Paceline(arguments);
  INFO(result.err);
  REQUIRE(result.exit_code == 0);
  return std::string(absl::StripAsciiWhitespace(result.out));
}

Json Fleet::Status(const std::string& job) const {
  const CommandResult result = Paceline({"status", job, "--json"});
  INFO(result.err);
  REQUIRE(result.exit_code == 0);
  return result.json();
}

Json Fleet::Wait(const std::string& job, int exit_code) const {
  const CommandResult result = Paceline({"wait", job, "--json", "--timeout", "120"});
  INFO("logs in " << folder_ << "\n" << result.err << result.out << "\n" << Events(job));
  if (result.exit_code != exit_code) {
    WARN(Paceline({"status", job}).out);
    for (const auto& [name, process] : processes_) {
      WARN(name << ":\n" << Log(name));
    }
  }
  REQUIRE(result.exit_code == exit_code);
  return result.json();
}

std::string Fleet::Events(const std::string& job) const {
  return Paceline({"logs", job, "--json"}).out;
}

bool Fleet::Reached(const std::string& job, double share) const {
  return Eventually([&] {
    const Json status = Status(job);
    const double total = static_cast<double>(Number(status["samples_total"]));
    return total > 0 && static_cast<double>(Number(status["samples"])) >= share * total;
  });
}

uint64_t Number(const Json& value) {
  return value.is_string() ? std::stoull(value.get<std::string>()) : value.get<uint64_t>();
}

void CheckCountedOnce(const Json& summary, const Json& status, uint64_t epochs) {
  CHECK(summary["state"] == "finished");
  const uint64_t samples = Number(status["facts"]["train_samples"]) * epochs;
  CHECK(summary["samples"] == samples);
  for (const Json& partition : status["partitions"]) {
    INFO(partition.dump());
    CHECK(Number(partition["samples"]) == samples);
  }
}

}  // namespace paceline
