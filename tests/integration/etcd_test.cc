// Any server takes over as coordinator: the store is in etcd, and whoever coordinates may die.
#include <signal.h>

#include <algorithm>
#include <catch2/catch.hpp>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/store/etcd/test_etcd.h"
#include "tests/integration/fleet.h"

namespace paceline {
namespace {

constexpr int kEpochs = 12;
// The role is free when three seconds have passed without its holder.
constexpr absl::Duration kTakeOverMax = absl::Seconds(8);

struct Files {
  std::string folder = TestFolder("etcd");
  std::string csv = MakeCsv(folder + "/samples.csv", 3000);
  std::string spec = MakeSpec(folder + "/job.yaml", csv,
                              absl::StrCat("train: {shards_per_round: 8, epochs: ", kEpochs,
                                           "}\nfleet: {workers: 2, servers: 3, replicas: 2}\n"));
};

// The weights of the spec when nobody dies.
std::string UndisturbedBits(const Files& files) {
  const CommandResult result =
      Paceline({"run", files.spec, "--json", "--run-dir", TestFolder("run"), "--set",
                "fleet={servers: 1, workers: 1, replicas: 1}", "--worker-flag=--backend=cpu"});
  INFO(result.err);
  REQUIRE(result.exit_code == 0);
  return result.json()["weights_sha256"];
}

FleetOptions ThreeCandidates(const TestEtcd& etcd) {
  FleetOptions options;
  options.servers = 3;
  options.workers = 2;
  options.etcd = etcd.address() + "/test";
  options.worker_flags = {"--slowdown=8"};
  return options;
}

// The id of the server that coordinates; empty: nobody says that he does.
std::string CoordinatorOf(const Fleet& fleet) {
  const CommandResult result = fleet.Paceline({"status", "--json"});
  if (result.exit_code != 0) return "";
  const Json status = result.json();
  for (const Json& server : status["servers"]) {
    if (server["address"] == status["coordinator"]) return server["server"]["id"];
  }
  return "";
}

bool AllInSync(const Json& status, size_t copies) {
  for (const Json& place : status["placement"]) {
    const Json& replicas = place["replicas"];
    const auto is_in_sync = [](const Json& replica) { return replica["in_sync"] == true; };
    const auto count = std::count_if(replicas.begin(), replicas.end(), is_in_sync);
    if (static_cast<size_t>(count) < copies) return false;
  }
  return !status["placement"].empty();
}

uint64_t Samples(const Fleet& fleet, const std::string& job) {
  return Number(fleet.Status(job)["samples"]);
}

bool MovesOn(const Fleet& fleet, const std::string& job) {
  const uint64_t before = Samples(fleet, job);
  return Eventually([&] { return Samples(fleet, job) > before; });
}

TEST_CASE("the coordinating server dies, then a node of etcd, and no bit changes") {
  const auto etcd = TestEtcd::Start(3);
  if (etcd == nullptr) return;
  const Files files;
  const std::string bits = UndisturbedBits(files);
  Fleet fleet(ThreeCandidates(*etcd));
  const std::string job = fleet.Submit(files.spec);
  REQUIRE(Eventually([&] { return AllInSync(fleet.Status(job), 2); }));
  REQUIRE(fleet.Reached(job, 0.1));

  const std::string first = CoordinatorOf(fleet);
  REQUIRE_FALSE(first.empty());
  fleet.Kill(first);
  const absl::Time killed = absl::Now();
  REQUIRE(Eventually([&] {
    const std::string now = CoordinatorOf(fleet);
    return !now.empty() && now != first;
  }));
  const absl::Duration taken = absl::Now() - killed;
  WARN("another server coordinates after " << absl::FormatDuration(taken));
  CHECK(taken < kTakeOverMax);
  CHECK(MovesOn(fleet, job));

  etcd->Kill(0);
  CHECK(MovesOn(fleet, job));

  const Json summary = fleet.Wait(job);
  CHECK(summary["state"] == "finished");
  CHECK(summary["weights_sha256"] == bits);
  const Json status = fleet.Status(job);
  const uint64_t samples = Number(status["facts"]["train_samples"]) * kEpochs;
  for (const Json& partition : status["partitions"]) CHECK(Number(partition["samples"]) == samples);
}

TEST_CASE("while etcd says nothing, who wants to write is told, and nothing is lost") {
  const auto etcd = TestEtcd::Start(3);
  if (etcd == nullptr) return;
  const Files files;
  const std::string bits = UndisturbedBits(files);
  Fleet fleet(ThreeCandidates(*etcd));
  const std::string job = fleet.Submit(files.spec);
  REQUIRE(Eventually([&] { return AllInSync(fleet.Status(job), 2); }));
  REQUIRE(fleet.Reached(job, 0.1));
  const std::string coordinator = CoordinatorOf(fleet);

  for (int node = 0; node < 3; ++node) etcd->Pause(node);
  // It may happen all the same, when etcd is back: something that changes no bit.
  const CommandResult refused = fleet.Paceline({"scale", job, "--workers", "3"});
  CHECK(refused.exit_code != 0);
  CHECK(refused.err.find("etcd") != std::string::npos);
  CHECK(fleet.Paceline({"logs"}).out.find("store-failed") != std::string::npos);
  absl::SleepFor(absl::Seconds(2));
  CHECK(CoordinatorOf(fleet) == coordinator);
  CHECK(fleet.Status(job)["state"] == "RUNNING");
  for (int node = 0; node < 3; ++node) etcd->Resume(node);

  const Json summary = fleet.Wait(job);
  CHECK(summary["weights_sha256"] == bits);
}

}  // namespace
}  // namespace paceline
