// Promise 3: in sync, the same bits whatever the fleet looks like and whoever dies.
#include <catch2/catch.hpp>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/integration/fleet.h"

namespace paceline {
namespace {

struct Files {
  std::string folder = TestFolder("bits");
  std::string csv = MakeCsv(folder + "/samples.csv", 3000);
  std::string spec = MakeSpec(folder + "/job.yaml", csv,
                              "train: {shards_per_round: 8, epochs: 3}\n"
                              "consistency: sync\n");
};

// What `paceline run` prints for the spec on a fleet of that size.
Json RunOn(const Files& files, int servers, int workers, std::vector<std::string> sets = {}) {
  sets.push_back(absl::StrCat("fleet.servers=", servers));
  sets.push_back(absl::StrCat("fleet.workers=", workers));
  return RunToEnd(files.spec, sets);
}

TEST_CASE("any number of workers and servers trains to the same bits") {
  const Files files;
  const Json alone = RunOn(files, 1, 1);
  const std::string bits = alone["weights_sha256"];
  CHECK(bits.size() == 64);
  CHECK(alone["eval"]["accuracy"].get<double>() > 0.9);

  for (const auto& [servers, workers] : {std::pair(1, 2), std::pair(2, 2), std::pair(3, 3),
                                         std::pair(2, 4), std::pair(3, 8), std::pair(2, 1)}) {
    INFO(servers << " servers, " << workers << " workers");
    const Json summary = RunOn(files, servers, workers);
    CHECK(summary["weights_sha256"] == bits);
    // 2400 or so of the 3000 rows are for training, each counted once in each of 3 epochs.
    CHECK(summary["samples"] == alone["samples"]);
    CHECK(summary["train_loss"] == alone["train_loss"]);
  }
}

TEST_CASE("layers that convolve, attend and draw random numbers train to the same bits") {
  const Files files;
  const std::string layers =
      "model.layers=[{reshape: [4, 4, 1]}, {convolution: {channels: 8, padding: 1}}, relu, "
      "{max_pool: 2}, {reshape: [4, 8]}, positional_embedding, {residual: [layer_norm, {attention: "
      "{heads: 2}}, {dropout: 0.2}]}, flatten, {linear: 16}, gelu, {dropout: 0.3}, {linear: 2}]";
  const Json alone = RunOn(files, 1, 1, {layers});
  const Json many = RunOn(files, 2, 3, {layers});

  CHECK(many["weights_sha256"] == alone["weights_sha256"]);
  CHECK(many["train_loss"] == alone["train_loss"]);
  CHECK(many["eval"] == alone["eval"]);
}

TEST_CASE("the norm over all partitions clips to the same bits on any number of servers") {
  Files files;
  files.spec = MakeSpec(files.folder + "/clipped.yaml", files.csv,
                        "train: {shards_per_round: 8, epochs: 1}\n");
  const auto clipped = [&](int servers) {
    const CommandResult result =
        Paceline({"run", files.spec, "--json", "--run-dir", TestFolder("run"), "--set",
                  absl::StrCat("fleet.servers=", servers), "--set", "fleet.workers=2", "--set",
                  "optimizer.clip_global_norm=0.05"});
    INFO(result.err);
    REQUIRE(result.exit_code == 0);
    return result.json()["weights_sha256"].get<std::string>();
  };
  const std::string bits = clipped(1);
  CHECK(clipped(3) == bits);
  // It does clip: without it the weights differ.
  CHECK(RunOn(files, 1, 2)["weights_sha256"] != bits);
}

TEST_CASE("killing a worker in mid-epoch changes no bit") {
  const Files files;
  const std::string bits = RunOn(files, 1, 1)["weights_sha256"];

  FleetOptions options;
  options.servers = 2;
  options.workers = 3;
  options.worker_flags = {"--slowdown=60"};
  Fleet fleet(options);
  const std::string job = fleet.Submit(files.spec, {"fleet.workers=3", "fleet.servers=2"});
  REQUIRE(fleet.Reached(job, 0.3));
  fleet.Kill("worker-1");
  const Json summary = fleet.Wait(job);

  CHECK(summary["weights_sha256"] == bits);
  CHECK(fleet.Events(job).find("worker-1 expired") != std::string::npos);
}

TEST_CASE("a coordinator killed and restarted in mid-job changes no bit") {
  const Files files;
  const std::string bits = RunOn(files, 1, 1)["weights_sha256"];

  FleetOptions options;
  options.servers = 2;
  options.separate_coordinator = true;
  options.worker_flags = {"--slowdown=12"};
  Fleet fleet(options);
  const std::string job = fleet.Submit(files.spec, {"fleet.workers=2", "fleet.servers=2"});
  REQUIRE(fleet.Reached(job, 0.3));
  fleet.Kill("coordinator");
  fleet.RestartCoordinator();
  const Json summary = fleet.Wait(job);

  CHECK(summary["weights_sha256"] == bits);
  CHECK(summary["state"] == "finished");
}

}  // namespace
}  // namespace paceline
