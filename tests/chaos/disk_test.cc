// A disk that is full while a job's checkpoints, or the coordinator's store, are written to it: the
// job trains on, the error is shown, and nothing half-written is listed.
#include <sched.h>
#include <sys/mount.h>

#include <catch2/catch.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/chaos/chaos.h"
#include "tests/integration/fleet.h"
#include "tests/integration/replicated_job.h"

namespace paceline::chaos {
namespace {

constexpr int kEpochs = 2;

// A folder with a file system of its own, 8 MB large, that this process and its children alone see.
// False: this process may not make one.
bool MountSmall(const std::string& folder) {
  const bool is_mounted = ::unshare(CLONE_NEWNS) == 0 &&
                          ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
                          ::mount("none", folder.c_str(), "tmpfs", 0, "size=8m") == 0;
  if (!is_mounted) {
    std::printf("SKIPPED: this process may not mount a file system (%s)\n", std::strerror(errno));
  }
  return is_mounted;
}

// Writes until nothing more goes in.
void FillUp(const std::string& path) {
  std::ofstream file(path, std::ios::binary | std::ios::app);
  const std::string page(4096, 'x');
  while (file.write(page.data(), static_cast<std::streamsize>(page.size())).flush()) {
  }
}

Json NewestCheckpoint(const Fleet& fleet, const std::string& job, const std::string& state) {
  Json newest;
  const Json status = fleet.Status(job);
  for (const Json& one : status["checkpoints"]) {
    if (one["state"] == state) newest = one;
  }
  return newest;
}

// The numbers that are listed, and whether every byte of all of them is right.
std::vector<uint64_t> Listed(const std::string& folder) {
  const CommandResult verified = Paceline({"checkpoint", "verify", folder, "--json"});
  INFO(verified.out << verified.err);
  CHECK(verified.exit_code == 0);
  const CommandResult list = Paceline({"checkpoint", "list", folder, "--json"});
  REQUIRE(list.exit_code == 0);
  std::vector<uint64_t> numbers;
  std::istringstream lines(list.out);
  for (std::string line; std::getline(lines, line);) {
    numbers.push_back(Number(Json::parse(line)["checkpoint"]));
  }
  return numbers;
}

TEST_CASE("the disk of the checkpoints is full for a while: training goes on, no bit changes") {
  const std::string disk = TestFolder("disk");
  if (!MountSmall(disk)) return;
  const std::string folder = TestFolder("job");
  FleetOptions options;
  options.servers = 2;
  options.workers = 2;
  options.separate_coordinator = true;
  options.worker_flags = {"--slowdown=40"};
  Fleet fleet(options);
  const std::string job =
      fleet.Submit(MakeTrainingSpec(folder + "/job.yaml", kEpochs),
                   {"fleet={workers: 2, servers: 2}",
                    absl::StrCat("checkpoint={path: ", disk, ", every_s: 1, keep: 2}")});
  const std::string checkpoints = absl::StrCat(disk, "/", job);
  REQUIRE(Eventually([&] { return !NewestCheckpoint(fleet, job, "WHOLE").is_null(); }));

  FillUp(disk + "/filler");
  REQUIRE(Eventually([&] { return !NewestCheckpoint(fleet, job, "FAILED").is_null(); }));
  const Json failed = NewestCheckpoint(fleet, job, "FAILED");
  INFO(failed.dump());
  CHECK(absl::StrContains(failed["error"].get<std::string>(), "No space left on device"));
  const std::string status = fleet.Paceline({"status", job}).out;
  INFO(status);
  CHECK(absl::StrContains(status, "No space left on device"));
  CHECK(MovesOn(fleet, job));
  for (const uint64_t number : Listed(checkpoints)) CHECK(number != Number(failed["id"]));

  std::filesystem::remove(disk + "/filler");
  REQUIRE(Eventually([&] {
    const Json whole = NewestCheckpoint(fleet, job, "WHOLE");
    return Number(whole["id"]) > Number(failed["id"]);
  }));
  CHECK(Listed(checkpoints).back() > Number(failed["id"]));

  const Json summary = fleet.Wait(job);
  CHECK(summary["weights_sha256"] == UndisturbedBits(kEpochs));
}

// What the fleet says of its store; empty: all is well.
std::string StoreError(const Fleet& fleet) {
  return fleet.Paceline({"status", "--json"}).json()["store_error"];
}

TEST_CASE("the disk of the coordinator's store is full for a while: training goes on") {
  const std::string disk = TestFolder("disk");
  if (!MountSmall(disk)) return;
  const std::string folder = TestFolder("job");
  FleetOptions options;
  options.servers = 2;
  options.workers = 2;
  options.separate_coordinator = true;
  options.store_folder = disk;
  options.worker_flags = {"--slowdown=40"};
  Fleet fleet(options);
  const std::string job = fleet.Submit(MakeTrainingSpec(folder + "/job.yaml", kEpochs),
                                       {"fleet={workers: 2, servers: 2}"});
  REQUIRE(fleet.Reached(job, 0.05));

  FillUp(disk + "/filler");
  // Every one of these is something to write down.
  REQUIRE(Eventually([&] {
    const CommandResult submitted = fleet.Paceline({"submit", folder + "/job.yaml"});
    return submitted.exit_code != 0;
  }));
  CHECK_FALSE(StoreError(fleet).empty());
  INFO(StoreError(fleet));
  CHECK(MovesOn(fleet, job));

  std::filesystem::remove(disk + "/filler");
  CHECK(Eventually([&] { return StoreError(fleet).empty(); }));
  const Json summary = fleet.Wait(job);
  CHECK(summary["weights_sha256"] == UndisturbedBits(kEpochs));
}

}  // namespace
}  // namespace paceline::chaos
