// One worker five times slower than the others: what each mode makes of it.
#include <catch2/catch.hpp>

#include "absl/strings/str_cat.h"
#include "tests/integration/fleet.h"

namespace paceline {
namespace {

// Trains with three fast workers and one five times slower, which is named while the job runs. A
// fast one takes `slowdown` times as long as it would.
Json Train(const std::string& mode, int epochs = 12, int slowdown = 8) {
  const std::string folder = TestFolder("modes");
  const std::string spec =
      MakeSpec(folder + "/job.yaml", MakeCsv(folder + "/samples.csv", 3000),
               absl::StrCat("train: {shards_per_round: 8, epochs: ", epochs,
                            "}\nfleet: {workers: 4, servers: 2}\n"));
  FleetOptions options;
  options.servers = 2;
  options.workers = 0;
  Fleet fleet(options);
  const auto start = [&](const char* name, int times) {
    fleet.StartWorker(name, {absl::StrCat("--slowdown=", times)});
  };
  for (const char* name : {"fast-0", "fast-1", "fast-2"}) start(name, slowdown);
  start("slow", 5 * slowdown);
  REQUIRE(Eventually([&] {
    return fleet.Paceline({"status", "--json"}).json()["workers"].size() == 4;
  }));
  const std::string job = fleet.Submit(spec, {"consistency=" + mode});
  CHECK(Eventually([&] { return fleet.Status(job)["straggler"]["worker"]["id"] == "slow"; }));
  Json result = fleet.Wait(job);
  result["status"] = fleet.Status(job);
  return result;
}

TEST_CASE("in sync the fast workers do the slow one's part, and the weights are the same bits") {
  // Slow enough that a round takes longer than what a call for help waits at least.
  const Json alone = Train("{sync: {speculate: false}}", 4, 20);
  const Json helped = Train("sync", 4, 20);

  const double alone_rate = alone["samples_per_s"];
  const double helped_rate = helped["samples_per_s"];
  WARN("samples/s: sync without help " << alone_rate << ", with help " << helped_rate << " ("
                                       << helped_rate / alone_rate << "x)");
  // A fast worker's part takes 2, the slow one's 10: without help that is the round; with it the
  // round is late at 3, and what it lacks takes two fast workers 1.
  CHECK(helped_rate > alone_rate);
  CHECK(helped["weights_sha256"] == alone["weights_sha256"]);
  CHECK(helped["samples"] == alone["samples"]);
}

TEST_CASE("ssp keeps its bound, and the looser the mode the less a slow worker holds up the rest") {
  const Json sync = Train("{sync: {speculate: false}}");
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

TEST_CASE("a quorum goes on without the slow worker, and every data shard is accounted for") {
  // Slow enough that the grace, which follows the machine's load, is short beside a part.
  const Json sync = Train("{sync: {speculate: false}}", 4, 20);
  for (const std::string late : {"drop", "carry"}) {
    const Json quorum = Train("{quorum: {workers: 3, on_late: " + late + "}}", 4, 20);

    const double sync_rate = sync["samples_per_s"];
    const double quorum_rate = quorum["samples_per_s"];
    WARN("samples/s: sync without help " << sync_rate << ", quorum(3), " << late << " "
                                         << quorum_rate << " (" << quorum_rate / sync_rate << "x)");
    CHECK(quorum_rate > sync_rate);
    // Data shards of 16 samples, the last of each of the four epochs of fewer.
    const uint64_t total = Number(quorum["status"]["samples_total"]);
    REQUIRE(quorum["status"]["partitions"].size() > 0);
    for (const Json& partition : quorum["status"]["partitions"]) {
      const uint64_t dropped = Number(partition["shards_dropped"]);
      const uint64_t carried = Number(partition["shards_carried"]);
      const uint64_t lost = total - Number(partition["samples"]);
      CHECK(Number(partition["applied_below"]) == 4 * ((total / 4 + 15) / 16));
      CHECK(lost <= 16 * (dropped - carried));
      CHECK(lost + 4 * 15 >= 16 * (dropped - carried));
      CHECK(dropped > 0);
      if (late == "drop") CHECK(carried == 0);
    }
  }
}

}  // namespace
}  // namespace paceline
