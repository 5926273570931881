// Workers that die, stall or come late, in every mode: the job goes on and every sample counts
// once.
#include <signal.h>

#include <catch2/catch.hpp>

#include "absl/time/clock.h"
#include "tests/integration/fleet.h"

namespace paceline {
namespace {

constexpr int kEpochs = 30;

struct Job {
  std::string folder = TestFolder("workers");
  std::string csv = MakeCsv(folder + "/samples.csv", 3000);
  std::string spec = MakeSpec(folder + "/job.yaml", csv,
                              "train: {shards_per_round: 8, epochs: 30}\n"
                              "fleet: {workers: 4, servers: 2}\n");
};

FleetOptions SlowFleet(int workers) {
  FleetOptions options;
  options.servers = 2;
  options.workers = workers;
  options.worker_flags = {"--slowdown=12"};
  return options;
}

// Whether the job's events say that the worker left it because its lease ran out.
bool SaysExpired(const Fleet& fleet, const std::string& job, const std::string& worker) {
  return fleet.Events(job).find(worker + " expired") != std::string::npos;
}

TEST_CASE("a worker that is killed is named within five seconds and its work is done by others") {
  for (const std::string mode : {"sync", "{ssp: 3}", "async"}) {
    INFO("consistency: " << mode);
    const Job files;
    Fleet fleet(SlowFleet(3));
    const std::string job = fleet.Submit(files.spec, {"consistency=" + mode});
    REQUIRE(fleet.Reached(job, 0.1));

    fleet.Kill("worker-1");
    CHECK(Eventually([&] { return SaysExpired(fleet, job, "worker-1"); }, absl::Seconds(5)));
    const std::string status = fleet.Paceline({"status"}).out;
    INFO(status);
    CHECK(status.find("worker-1") != std::string::npos);
    CHECK(status.find("expired") != std::string::npos);

    const Json summary = fleet.Wait(job);
    CheckCountedOnce(summary, fleet.Status(job), kEpochs);
  }
}

TEST_CASE("a worker that is paused past its lease is replaced, and comes back as a new incarnation") {
  for (const std::string mode : {"sync", "{ssp: 3}", "async"}) {
    INFO("consistency: " << mode);
    const Job files;
    Fleet fleet(SlowFleet(3));
    const std::string job = fleet.Submit(files.spec, {"consistency=" + mode});
    REQUIRE(fleet.Reached(job, 0.1));

    fleet.process("worker-2").Signal(SIGSTOP);
    REQUIRE(Eventually([&] { return SaysExpired(fleet, job, "worker-2"); }, absl::Seconds(5)));
    fleet.process("worker-2").Signal(SIGCONT);
    CHECK(Eventually([&] {
      const std::string events = fleet.Events(job);
      return events.find("worker-2 joined", events.find("worker-2 expired")) != std::string::npos;
    }));

    const Json summary = fleet.Wait(job);
    CheckCountedOnce(summary, fleet.Status(job), kEpochs);
  }
}

TEST_CASE("a worker that is added while the job runs takes part") {
  for (const std::string mode : {"sync", "{ssp: 3}", "async"}) {
    INFO("consistency: " << mode);
    const Job files;
    Fleet fleet(SlowFleet(1));
    const std::string job = fleet.Submit(files.spec, {"consistency=" + mode});
    REQUIRE(fleet.Reached(job, 0.05));

    fleet.StartWorker("late");
    CHECK(Eventually([&] {
      const Json status = fleet.Status(job);
      for (const Json& worker : status["workers"]) {
        if (worker["worker"]["id"] == "late" && Number(worker["report"]["samples"]) > 0)
          return true;
      }
      return false;
    }));

    const Json summary = fleet.Wait(job);
    CheckCountedOnce(summary, fleet.Status(job), kEpochs);
  }
}

TEST_CASE("every worker dies; the job waits, says so, and goes on with new ones") {
  const Job files;
  Fleet fleet(SlowFleet(2));
  const std::string job = fleet.Submit(files.spec);
  REQUIRE(fleet.Reached(job, 0.1));

  fleet.Kill("worker-0");
  fleet.Kill("worker-1");
  CHECK(Eventually(
      [&] {
        const std::string reason = fleet.Status(job)["reason"];
        return reason.find("worker") != std::string::npos;
      },
      absl::Seconds(5)));
  fleet.StartWorker("fresh");

  const Json summary = fleet.Wait(job);
  CheckCountedOnce(summary, fleet.Status(job), kEpochs);
}

TEST_CASE("the mode of a running job changes at a cut that loses nothing") {
  const Job files;
  Fleet fleet(SlowFleet(3));
  const std::string job = fleet.Submit(files.spec, {"consistency=sync"});
  REQUIRE(fleet.Reached(job, 0.1));

  for (const std::string mode : {"{ssp: 2}", "async", "sync"}) {
    const Json before = fleet.Status(job);
    if (before["state"] != "RUNNING") break;
    const CommandResult result = fleet.Paceline({"mode", job, mode});
    INFO(mode << ": " << result.err);
    CHECK(result.exit_code == 0);
    const uint64_t segment = Number(before["segment"]["index"]);
    CHECK(Eventually([&] {
      const Json status = fleet.Status(job);
      return Number(status["segment"]["index"]) > segment || status["state"] != "RUNNING";
    }));
  }

  const Json summary = fleet.Wait(job);
  CheckCountedOnce(summary, fleet.Status(job), kEpochs);
}

TEST_CASE("two jobs share a fleet and neither shows in the other's result") {
  const Job files;
  FleetOptions options = SlowFleet(4);
  options.worker_flags.clear();
  Fleet fleet(options);
  const std::string alone = fleet.Submit(files.spec, {"fleet.workers=2"});
  const Json first = fleet.Wait(alone);

  const std::string a = fleet.Submit(files.spec, {"fleet.workers=2"});
  const std::string b = fleet.Submit(files.spec, {"fleet.workers=2", "seed=4"});
  const Json summary_a = fleet.Wait(a);
  const Json summary_b = fleet.Wait(b);

  CHECK(a != b);
  CHECK(summary_a["weights_sha256"] == first["weights_sha256"]);
  CHECK(summary_b["weights_sha256"] != first["weights_sha256"]);
}

}  // namespace
}  // namespace paceline
