// Promise 8 on real processes: what a checkpoint holds is gone on from to the same bits, on any fleet,
// after any loss; what is damaged is refused by name.
#include <signal.h>

#include <catch2/catch.hpp>
#include <filesystem>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "common/base/sha256.h"
#include "tests/integration/fleet.h"
#include "tests/integration/replicated_job.h"

namespace paceline {
namespace {

namespace fs = std::filesystem;

constexpr int kDamaged = 6;  // Exit status.
constexpr int kWrong = 2;

FleetOptions FleetOf(int servers, int workers) {
  FleetOptions options;
  options.servers = servers;
  options.workers = workers;
  options.separate_coordinator = true;
  options.worker_flags = {"--slowdown=8"};
  return options;
}

std::vector<std::string> Checkpointed(const std::string& folder, const std::string& when) {
  return {absl::StrCat("checkpoint={path: ", folder, ", ", when, ", keep: 100}")};
}

// The number of the job's newest whole checkpoint; 0: none.
uint64_t Newest(const Fleet& fleet, const std::string& job) {
  uint64_t newest = 0;
  const Json status = fleet.Status(job);
  for (const Json& one : status["checkpoints"]) {
    if (one["state"] == "WHOLE") newest = Number(one["id"]);
  }
  return newest;
}

// Takes one of a running job and waits until it is whole.
void Take(const Fleet& fleet, const std::string& job) {
  const CommandResult taken = fleet.Paceline({"checkpoint", "take", job, "--wait"});
  INFO(taken.err);
  REQUIRE(taken.exit_code == 0);
}

TEST_CASE("power lost in the whole fleet: started again it goes on from the last checkpoint") {
  const ReplicatedJob spec;
  Fleet fleet(FleetOf(3, 2));
  const std::string job = fleet.Submit(
      spec.path, Checkpointed(TestFolder("checkpoints"), "every_rounds: 20"));
  REQUIRE(fleet.Reached(job, 0.3));
  REQUIRE(Eventually([&] { return Newest(fleet, job) > 0; }));

  const std::vector<std::string> servers = {"server-0", "server-1", "server-2"};
  const std::vector<std::string> workers = {"worker-0", "worker-1"};
  fleet.process("coordinator").Signal(SIGKILL);
  for (const std::string& name : servers) fleet.process(name).Signal(SIGKILL);
  for (const std::string& name : workers) fleet.process(name).Signal(SIGKILL);
  REQUIRE(fleet.process("coordinator").WaitFor(absl::Seconds(10)));
  fleet.RestartCoordinator();
  for (const std::string& name : servers) fleet.StartServer(name);
  for (const std::string& name : workers) fleet.StartWorker(name);

  const Json summary = fleet.Wait(job);
  CHECK(summary["weights_sha256"] == UndisturbedBits());
  CheckCountedOnce(summary, fleet.Status(job));
  // It did not begin again from the seed.
  CHECK(absl::StrContains(fleet.Events(job), "job-restored"));
}

TEST_CASE("taken on 3 servers and 4 workers, restored on 1 and 1, and on 5 and 2: the same bits") {
  const ReplicatedJob spec;
  const std::string folder = TestFolder("checkpoints");
  std::string job;
  {
    Fleet fleet(FleetOf(3, 4));
    job = fleet.Submit(spec.path, Checkpointed(folder, "every_rounds: 1000000"));
    REQUIRE(fleet.Reached(job, 0.3));
    Take(fleet, job);
    CHECK(fleet.Wait(job)["weights_sha256"] == UndisturbedBits());
  }
  for (const auto& [servers, workers] : {std::pair(1, 1), std::pair(5, 2)}) {
    INFO(servers << " servers, " << workers << " workers");
    FleetOptions options = FleetOf(servers, workers);
    options.worker_flags.clear();
    Fleet fleet(options);
    const CommandResult restored = fleet.Paceline(
        {"restore", absl::StrCat(folder, "/", job, ":1"), "--set",
         absl::StrCat("fleet={servers: ", servers, ", workers: ", workers, ", replicas: 1}")});
    INFO(restored.err);
    REQUIRE(restored.exit_code == 0);
    const std::string again(absl::StripAsciiWhitespace(restored.out));
    const Json summary = fleet.Wait(again);
    CHECK(summary["weights_sha256"] == UndisturbedBits());
    CheckCountedOnce(summary, fleet.Status(again));
  }
}

// A finished job's folder with two whole checkpoints, 1 and 2.
class TwoCheckpoints {
 public:
  TwoCheckpoints() {
    const ReplicatedJob spec;
    Fleet fleet(FleetOf(3, 2));
    const std::string folder = TestFolder("checkpoints");
    const std::string job = fleet.Submit(spec.path, Checkpointed(folder, "every_rounds: 1000000"));
    REQUIRE(fleet.Reached(job, 0.1));
    Take(fleet, job);
    REQUIRE(fleet.Reached(job, 0.3));
    Take(fleet, job);
    path_ = absl::StrCat(folder, "/", job);
    REQUIRE(fleet.Paceline({"cancel", job}).exit_code == 0);
  }

  const std::string& path() const { return path_; }
  std::string manifest(int number) const {
    return absl::StrFormat("%s/manifests/%010d.json", path_, number);
  }
  // A chunk of parameters that checkpoint 2 has and checkpoint 1 has not.
  std::string OwnChunk() const {
    const std::string before = ReadText(manifest(1));
    const Json after = Json::parse(ReadText(manifest(2)));
    for (const Json& partition : after["partitions"]) {
      for (const Json& chunk : partition["arrays"][0]["chunks"]) {
        const std::string name = chunk["sha256"];
        if (absl::StrContains(before, name)) continue;
        return absl::StrCat(path_, "/chunks/", name.substr(0, 2), "/", name);
      }
    }
    FAIL("checkpoint 2 has no chunk of its own");
    return "";
  }

  // That the newest is refused with this exit status, because of `file`, and 1 is offered.
  void CheckRefused(int exit_code, const std::string& file, const std::string& why) const {
    for (const char* const command : {"restore", "verify"}) {
      const bool is_restore = command == std::string("restore");
      const CommandResult result =
          is_restore ? Paceline({"restore", path_, "--dry-run"})
                     : Paceline({"checkpoint", "verify", path_});
      INFO(command << ": " << result.out << result.err);
      CHECK(result.exit_code == exit_code);
      const std::string said = result.out + result.err;
      CHECK(absl::StrContains(said, "checkpoint 2 cannot be used"));
      CHECK(absl::StrContains(said, fs::path(file).filename().string()));
      CHECK(absl::StrContains(said, why));
      CHECK(absl::StrContains(said, "checkpoint 1 is whole"));
    }
    const CommandResult before = Paceline({"restore", path_ + ":1", "--dry-run"});
    INFO(before.err);
    CHECK(before.exit_code == 0);
  }

 private:
  std::string path_;
};

TEST_CASE("a damaged checkpoint is refused by name, and the one before it is offered") {
  const TwoCheckpoints checkpoints;
  REQUIRE(Paceline({"restore", checkpoints.path(), "--dry-run"}).exit_code == 0);
  const std::string chunk = checkpoints.OwnChunk();
  const std::string bytes = ReadText(chunk);

  std::string flipped = bytes;
  flipped[flipped.size() / 2] ^= 1;
  WriteText(chunk, flipped);
  checkpoints.CheckRefused(kDamaged, chunk, "");

  fs::remove(chunk);
  checkpoints.CheckRefused(kDamaged, chunk, "");
  WriteText(chunk, bytes);
  REQUIRE(Paceline({"restore", checkpoints.path(), "--dry-run"}).exit_code == 0);

  const std::string path = checkpoints.manifest(2);
  const std::string manifest = ReadText(path);
  flipped = manifest;
  flipped[flipped.size() / 2] ^= 1;
  WriteText(path, flipped);
  checkpoints.CheckRefused(kDamaged, path, "");

  // One of a newer format, whole as such.
  std::string newer = absl::StrReplaceAll(manifest, {{"\"format_version\": 1", "\"format_version\": 2"}});
  REQUIRE(newer != manifest);
  const size_t second = newer.find('\n') + 1;
  const std::string rest =
      newer.substr(0, second) + newer.substr(newer.find('\n', second) + 1);
  const std::string line = newer.substr(second, newer.find('\n', second) - second);
  const size_t quote = line.find(": \"") + 3;
  newer = absl::StrCat(newer.substr(0, second), line.substr(0, quote), Sha256Hex(rest), "\",\n",
                       rest.substr(second));
  WriteText(path, newer);
  checkpoints.CheckRefused(kWrong, path, "format");
}

}  // namespace
}  // namespace paceline
