// One worker five times slower than the others: what each mode makes of it.
#include <catch2/catch.hpp>

#include "tests/integration/fleet.h"

namespace paceline {
namespace {

// Trains with three fast workers and a slow one, which is named while the job runs.
Json Train(const std::string& mode) {
  const std::string folder = TestFolder("modes");
  const std::string spec =
      MakeSpec(folder + "/job.yaml", MakeCsv(folder + "/samples.csv", 3000),
               "train: {shards_per_round: 8, epochs: 12}\nfleet: {workers: 4, servers: 2}\n");
  FleetOptions options;
  options.servers = 2;
  options.workers = 0;
  Fleet fleet(options);
  for (const char* name : {"fast-0", "fast-1", "fast-2"}) fleet.StartWorker(name, {"--slowdown=2"});
  fleet.StartWorker("slow", {"--slowdown=10"});
  REQUIRE(Eventually([&] {
    return fleet.Paceline({"status", "--json"}).json()["workers"].size() == 4;
  }));
  const std::string job = fleet.Submit(spec, {"consistency=" + mode});
  CHECK(Eventually([&] { return fleet.Status(job)["straggler"]["worker"]["id"] == "slow"; }));
  Json result = fleet.Wait(job);
  result["status"] = fleet.Status(job);
  return result;
}

TEST_CASE("ssp keeps its bound, and the looser the mode the less a slow worker holds up the rest") {
  const Json sync = Train("sync");
  const Json ssp = Train("{ssp: 3}");
  const Json async = Train("async");

  // lead_max: the furthest any read's clock was ahead of the slowest member's committed clock; the
  // bound allows staleness + 1 = 4.
  for (const Json& partition : ssp["status"]["partitions"]) {
    CHECK(Number(partition["lead_max"]) <= 4);
    CHECK(Number(partition["lead_max"]) >= 2);  // The fast ones did run ahead.
  }
  const double sync_rate = sync["samples_per_s"];
  const double ssp_rate = ssp["samples_per_s"];
  const double async_rate = async["samples_per_s"];
  WARN("samples/s: sync " << sync_rate << ", ssp(3) " << ssp_rate << " (" << ssp_rate / sync_rate
                          << "x), async " << async_rate << " (" << async_rate / sync_rate << "x)");
  // Four workers, one of them five times slower: sync goes at four times the slow one's pace, async
  // at 3.2 times that; ssp comes near async because a fast worker's clock holds more runs.
  CHECK(async_rate > sync_rate);
  CHECK(ssp_rate > sync_rate);
  CHECK(async["samples"] == sync["samples"]);
  CHECK(ssp["samples"] == sync["samples"]);
}

}  // namespace
}  // namespace paceline
