// Promises 1 to 3 when servers die: nothing acknowledged is lost, every push counts once, and sync
// gives the same bits.
#include <signal.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <set>

#include "absl/time/clock.h"
#include "client/parameter_client.h"
#include "tests/integration/fleet.h"
#include "tests/integration/replicated_job.h"

namespace paceline {
namespace {

// A silence of this length is what design.md allows a failover.
constexpr absl::Duration kPauseMax = absl::Seconds(3);

// Coordinator and parameter servers are processes of their own.
FleetOptions ThreeServers() {
  FleetOptions options;
  options.servers = 3;
  options.workers = 2;
  options.separate_coordinator = true;
  options.worker_flags = {"--slowdown=8"};
  return options;
}

std::set<std::string> Primaries(const Json& status) {
  std::set<std::string> servers;
  for (const Json& place : status["placement"]) servers.insert(place["server"]);
  return servers;
}

// Of a server: copies that it holds. -1: it is not in the fleet.
int64_t CopiesOn(const Fleet& fleet, const std::string& server) {
  const Json status = fleet.Paceline({"status", "--json"}).json();
  for (const Json& one : status["servers"]) {
    const bool is_alive = Number(one["server"]["incarnation"]) > 0 && one["lease_left_s"] > 0.0;
    if (one["server"]["id"] == server && is_alive) {
      return static_cast<int64_t>(Number(one["replicas"]));
    }
  }
  return -1;
}

// Kills a server that holds a primary, and waits until others serve in its place.
std::string KillPrimary(Fleet* fleet, const std::string& job) {
  const std::string victim = *Primaries(fleet->Status(job)).begin();
  fleet->Kill(victim);
  CHECK(Eventually(
      [&] {
        const std::set<std::string> primaries = Primaries(fleet->Status(job));
        return primaries.count(victim) == 0 && primaries.count("") == 0;
      },
      absl::Seconds(10)));
  return victim;
}

TEST_CASE("servers that are killed and come back, one after another, change no bit") {
  const ReplicatedJob spec;
  Fleet fleet(ThreeServers());
  const std::string job = SubmitUnderWay(fleet, spec);

  for (int i = 0; i < 2; ++i) {
    const std::string victim = KillPrimary(&fleet, job);
    CHECK(AwaitInSync(fleet, job, 2));  // The third server takes the lost copies over.
    fleet.StartServer(victim);
    CHECK(Eventually([&] { return CopiesOn(fleet, victim) >= 0; }));
    REQUIRE(fleet.Status(job)["state"] == "RUNNING");
  }

  const Json summary = fleet.Wait(job);
  CHECK(summary["weights_sha256"] == UndisturbedBits());
  CheckCountedOnce(summary, fleet.Status(job));
}

TEST_CASE("of three copies two die at once; the servers come back and are used again") {
  const ReplicatedJob spec;
  Fleet fleet(ThreeServers());
  const std::string job = SubmitUnderWay(fleet, spec, {"fleet.replicas=3"}, 3);

  fleet.process("server-2").Signal(SIGKILL);
  KillPrimary(&fleet, job);
  CHECK(MovesOn(fleet, job));
  const std::set<std::string> left = Primaries(fleet.Status(job));
  CHECK(left.size() == 1);
  for (const char* server : {"server-0", "server-1", "server-2"}) {
    if (left.count(server) == 0) fleet.StartServer(server);
  }
  CHECK(AwaitInSync(fleet, job, 3));

  const Json summary = fleet.Wait(job);
  CHECK(summary["weights_sha256"] == UndisturbedBits());
  CheckCountedOnce(summary, fleet.Status(job));
}

TEST_CASE("in ssp and async every sample counts once although a primary dies") {
  for (const auto& [mode, acks] : {std::pair<std::string, std::string>{"{ssp: 3}", "all"},
                                   {"async", "all"},
                                   {"{ssp: 3}", "leader"}}) {
    INFO("consistency: " << mode << ", acks: " << acks);
    const ReplicatedJob spec;
    Fleet fleet(ThreeServers());
    const std::string job =
        SubmitUnderWay(fleet, spec, {"consistency=" + mode, "fleet.acks=" + acks});

    fleet.StartServer(KillPrimary(&fleet, job));

    const Json summary = fleet.Wait(job);
    CheckCountedOnce(summary, fleet.Status(job));
  }
}

TEST_CASE("a primary that is paused past its lease is deposed, comes back, and changes no bit") {
  const ReplicatedJob spec;
  Fleet fleet(ThreeServers());
  const std::string job = SubmitUnderWay(fleet, spec);

  const std::string paused = *Primaries(fleet.Status(job)).begin();
  fleet.process(paused).Signal(SIGSTOP);
  CHECK(Eventually([&] { return Primaries(fleet.Status(job)).count(paused) == 0; }));
  fleet.process(paused).Signal(SIGCONT);
  CHECK(Eventually([&] { return CopiesOn(fleet, paused) >= 0; }));

  const Json summary = fleet.Wait(job);
  CHECK(summary["weights_sha256"] == UndisturbedBits());
}

TEST_CASE("a server that is drained becomes empty while its job goes on") {
  const ReplicatedJob spec;
  Fleet fleet(ThreeServers());
  const std::string job = SubmitUnderWay(fleet, spec);
  const std::string drained = *Primaries(fleet.Status(job)).begin();

  const CommandResult result = fleet.Paceline({"drain", drained});
  INFO(result.err);
  CHECK(result.exit_code == 0);
  CHECK(Eventually([&] { return CopiesOn(fleet, drained) == 0; }));
  CHECK(InSync(fleet.Status(job)) == 2);
  CHECK(fleet.Status(job)["state"] == "RUNNING");

  const Json summary = fleet.Wait(job);
  CHECK(summary["weights_sha256"] == UndisturbedBits());
  CheckCountedOnce(summary, fleet.Status(job));
}

TEST_CASE("a server dies while the coordinator is away; both come back and no bit has changed") {
  const ReplicatedJob spec;
  Fleet fleet(ThreeServers());
  const std::string job = SubmitUnderWay(fleet, spec);
  const std::string victim = *Primaries(fleet.Status(job)).begin();

  fleet.Kill("coordinator");
  fleet.Kill(victim);
  fleet.RestartCoordinator();
  fleet.StartServer(victim);

  const Json summary = fleet.Wait(job);
  CHECK(summary["weights_sha256"] == UndisturbedBits());
  CheckCountedOnce(summary, fleet.Status(job));
}

TEST_CASE("below min_in_sync pushes wait, and go on when the copy is back") {
  const ReplicatedJob spec;
  FleetOptions options = ThreeServers();
  options.servers = 2;
  Fleet fleet(options);
  const std::string job = SubmitUnderWay(fleet, spec, {"fleet.min_in_sync=2"});

  const std::string victim = KillPrimary(&fleet, job);
  const CommandResult why = fleet.Paceline({"why", job});
  INFO(why.out << why.err);
  CHECK(why.exit_code == 0);
  CHECK(why.out.find("sync") != std::string::npos);
  fleet.StartServer(victim);

  const Json summary = fleet.Wait(job);
  CHECK(summary["weights_sha256"] == UndisturbedBits());
}

// The longest of the exchanges of a library client that goes on while its primary gets `signal`.
absl::Duration PauseOf(int signal) {
  FleetOptions options = ThreeServers();
  options.workers = 0;
  Fleet fleet(options);
  const std::string folder = TestFolder("pause");
  WriteText(folder + "/job.yaml",
            "name: bare\nmodel: {parameters: [{name: w, shape: [2000], initial: 0}]}\n"
            "optimizer: {sgd: {learning_rate: 0.5}}\nconsistency: async\n"
            "fleet: {servers: 3, replicas: 2}\n");
  const std::string job = fleet.Submit(folder + "/job.yaml");
  auto client = ParameterClient::Join({fleet.coordinator(), job, "solver"});
  INFO(client.status());
  REQUIRE(client.ok());
  REQUIRE((*client)->Pull().ok());
  REQUIRE(AwaitInSync(fleet, job, 2));
  const std::string victim = *Primaries(fleet.Status(job)).begin();

  // Half a unit an exchange: exact in float32 for as long as this goes on.
  const std::vector<float> gradient(2000, -1.0f);
  absl::Duration pause;
  int exchanges = 0;
  std::vector<float> parameters;
  const auto exchange_for = [&](absl::Duration duration) {
    for (const absl::Time end = absl::Now() + duration; absl::Now() < end;) {
      const absl::Time start = absl::Now();
      auto answer = (*client)->Exchange(gradient);
      INFO(answer.status());
      REQUIRE(answer.ok());
      parameters = *std::move(answer);
      ++exchanges;
      pause = std::max(pause, absl::Now() - start);
    }
  };
  exchange_for(absl::Seconds(1));
  fleet.process(victim).Signal(signal);
  exchange_for(absl::Seconds(5));

  WARN("a primary with signal " << signal << ": " << exchanges << " exchanges, the longest "
                                << absl::FormatDuration(pause));
  CHECK(parameters == std::vector<float>(2000, 0.5f * static_cast<float>(exchanges)));
  CHECK(pause > absl::Milliseconds(100));  // It was the primary.
  return pause;
}

TEST_CASE("with defaults a primary that is killed stops its job for less than three seconds") {
  CHECK(PauseOf(SIGKILL) < kPauseMax);
}

// As a machine that loses its power or its network: nothing but the lease tells.
TEST_CASE("with defaults a primary that falls silent stops its job for less than three seconds") {
  CHECK(PauseOf(SIGSTOP) < kPauseMax);
}

}  // namespace
}  // namespace paceline
