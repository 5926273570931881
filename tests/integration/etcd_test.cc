// Any server takes over as coordinator: the store is in etcd, and whoever coordinates may die.

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
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

// Terms of a job's partitions.
std::vector<std::string> TermsOf(const Json& status) {
  std::vector<std::string> terms;
  for (const Json& place : status["placement"]) terms.push_back(place["term"]);
  return terms;
}

TEST_CASE("while etcd says nothing the job goes on, nothing new is decided, and status says so") {
  const auto etcd = TestEtcd::Start(3);
  if (etcd == nullptr) return;
  const bool are_killed = GENERATE(false, true);
  // At least four times what the coordinator's role lasts without its holder, six times a member's
  // lease.
  const int silent_seconds = are_killed ? 12 : 30;
  const ReplicatedJob spec;
  FleetOptions options = ThreeCandidates(*etcd);
  options.worker_flags = {absl::StrCat("--slowdown=", 10 * silent_seconds)};
  Fleet fleet(options);
  const std::string job = SubmitUnderWay(fleet, spec);
  const std::string coordinator = CoordinatorOf(fleet);
  const Json before = fleet.Status(job);

  for (int node = 0; node < 3; ++node) are_killed ? etcd->Kill(node) : etcd->Pause(node);
  const absl::Time silent = absl::Now();
  CHECK(Eventually([&] {
    return fleet.Paceline({"status"}).out.find("store cannot be written") != std::string::npos;
  }));
  // It may happen all the same, when etcd is back: something that changes no bit.
  const CommandResult refused = fleet.Paceline({"scale", job, "--workers", "3"});
  CHECK(refused.exit_code != 0);
  CHECK(refused.err.find("etcd") != std::string::npos);
  for (int second = 1; second <= silent_seconds; ++second) {
    CHECK(MovesOn(fleet, job));
    absl::SleepFor(silent + absl::Seconds(second) - absl::Now());
  }
  const Json after = fleet.Status(job);
  CHECK(after["state"] == "RUNNING");
  CHECK(std::string(after["store_error"]).find("etcd") != std::string::npos);
  CHECK(TermsOf(after) == TermsOf(before));
  CHECK(CoordinatorOf(fleet) == coordinator);
  const std::string logs = fleet.Paceline({"logs"}).out;
  CHECK(logs.find("store-failed") != std::string::npos);
  CHECK(logs.find("expired") == std::string::npos);
  WARN("samples in " << silent_seconds << " s without etcd: "
                     << Number(after["samples"]) - Number(before["samples"]));
  if (are_killed) etcd->RestartAll();
  for (int node = 0; node < 3 && !are_killed; ++node) etcd->Resume(node);

  CHECK(Eventually([&] {
    const CommandResult status = fleet.Paceline({"status"});
    return status.exit_code == 0 && status.out.find("store cannot") == std::string::npos;
  }));
  CHECK(MovesOn(fleet, job));
  CHECK(TermsOf(fleet.Status(job)) == TermsOf(before));
  const Json summary = fleet.Wait(job);
  CHECK(summary["weights_sha256"] == UndisturbedBits());
  CheckCountedOnce(summary, fleet.Status(job));
}

}  // namespace
}  // namespace paceline
