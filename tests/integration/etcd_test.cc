// Any server takes over as coordinator: the store is in etcd, and whoever coordinates may die.
#include <signal.h>

#include <algorithm>
#include <catch2/catch.hpp>

#include "absl/time/clock.h"
#include "server/store/etcd/test_etcd.h"
#include "tests/integration/fleet.h"
#include "tests/integration/replicated_job.h"

namespace paceline {
namespace {

// The role is free when three seconds have passed without its holder.
constexpr absl::Duration kTakeOverMax = absl::Seconds(8);

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

TEST_CASE("the coordinating server dies, then a node of etcd, and no bit changes") {
  const auto etcd = TestEtcd::Start(3);
  if (etcd == nullptr) return;
  const ReplicatedJob spec;
  Fleet fleet(ThreeCandidates(*etcd));
  const std::string job = SubmitUnderWay(fleet, spec);

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
  CHECK(summary["weights_sha256"] == UndisturbedBits());
  CheckCountedOnce(summary, fleet.Status(job));
}

TEST_CASE("while etcd says nothing, who wants to write is told, and nothing is lost") {
  const auto etcd = TestEtcd::Start(3);
  if (etcd == nullptr) return;
  const ReplicatedJob spec;
  Fleet fleet(ThreeCandidates(*etcd));
  const std::string job = SubmitUnderWay(fleet, spec);
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
  CHECK(summary["weights_sha256"] == UndisturbedBits());
}

}  // namespace
}  // namespace paceline
