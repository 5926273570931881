#include "cli/obstacles.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "cli/example_job.h"
#include "cli/render.h"

namespace paceline::cli {
namespace {

// Two copies of each of three partitions, on s0 and s1, all in sync.
v1::JobStatus Healthy() {
  v1::JobStatus job;
  job.set_job("small-1");
  job.set_state(v1::RUNNING);
  job.set_reason("round 12 of 80");
  job.mutable_spec()->mutable_fleet()->set_replicas(2);
  job.mutable_spec()->mutable_fleet()->set_min_in_sync(1);
  for (uint32_t p = 0; p < 3; ++p) {
    v1::PartitionPlacement* const place = job.add_placement();
    place->set_partition(p);
    place->set_server("s0");
    for (uint64_t id = 1; id <= 2; ++id) {
      v1::PartitionReplica* const replica = place->add_replicas();
      replica->set_id(id);
      replica->set_server(id == 1 ? "s0" : "s1");
      replica->set_in_sync(true);
    }
    job.add_partitions()->set_partition(p);
  }
  return job;
}

TEST_CASE("a job that waits for nothing says so") {
  CHECK(ObstaclesOf(Healthy()).empty());
  CHECK(WhyText(Healthy()) ==
        "small-1 is running: round 12 of 80\n"
        "no call waits in a partition, and every copy is in sync\n");
}

TEST_CASE("the worker that holds up the others is named") {
  v1::JobStatus job = Healthy();
  AddStraggler(&job);

  CHECK(WhyText(job) ==
        "small-1 is running: round 12 of 80\n"
        "straggler: w1 takes 4.8 x the others' median per sample (compute 71 ms, transfer 2 ms, "
        "wait 12 s per 1000 samples)\n"
        "no call waits in a partition, and every copy is in sync\n");
  CHECK(nlohmann::json::parse(WhyJson(job))["straggler"] == StragglerText(job));
}

TEST_CASE("the same wait in several partitions is one, with the longest time") {
  v1::JobStatus job = Healthy();
  for (const int p : {0, 1, 2}) {
    v1::Wait* const wait = job.mutable_partitions(p)->add_waits();
    wait->set_worker("w1");
    wait->set_what("clock 7 of w3");
    wait->add_on("w3");
    wait->set_seconds(1.5 + p);
  }

  const std::vector<Obstacle> obstacles = ObstaclesOf(job);

  REQUIRE(obstacles.size() == 1);
  CHECK(obstacles[0].worker == "w1");
  CHECK(obstacles[0].seconds == 3.5);
  CHECK(obstacles[0].partitions == std::vector<uint32_t>{0, 1, 2});
  CHECK(WhyText(job) ==
        "small-1 is running: round 12 of 80\n"
        "WHO  FOR    WHAT                PARTITIONS\n"
        "w1   3.5 s  clock 7 of w3 (w3)  0..2\n");
}

TEST_CASE("copies that are missing, behind or below min_in_sync are named") {
  v1::JobStatus job = Healthy();
  job.mutable_placement(0)->clear_server();
  v1::PartitionReplica* const behind = job.mutable_placement(1)->mutable_replicas(1);
  behind->set_in_sync(false);
  v1::BackupReport* const report = job.mutable_partitions(1)->add_backups();
  report->set_replica(behind->id());
  report->set_state(v1::BackupReport::DIVERGED);
  job.mutable_placement(2)->mutable_replicas()->RemoveLast();

  std::vector<Obstacle> obstacles = ObstaclesOf(job);

  REQUIRE(obstacles.size() == 3);
  CHECK(obstacles[0].what ==
        "no primary: no copy in sync is alive; one of these must come back: s0, s1");
  CHECK(obstacles[1].what == "the copy on s1 is not in sync: it has other bits, and is made anew");
  CHECK(obstacles[2].what == "1 of 2 copies in sync, and no other is being made");
  CHECK(obstacles[2].partitions == std::vector<uint32_t>{2});

  job.mutable_spec()->mutable_fleet()->set_min_in_sync(2);
  obstacles = ObstaclesOf(job);
  REQUIRE(obstacles.size() == 3);
  CHECK(obstacles[2].what == "1 of 2 copies in sync, fewer than min_in_sync 2: pushes wait");
  CHECK(obstacles[2].partitions == std::vector<uint32_t>{1, 2});
}

TEST_CASE("scripts get the same as people") {
  v1::JobStatus job = Healthy();
  job.mutable_pending_consistency()->mutable_async();
  v1::Wait* const wait = job.mutable_partitions(2)->add_waits();
  wait->set_worker("w1");
  wait->set_what("round 12: data shards 96..97 missing");

  const auto why = nlohmann::json::parse(WhyJson(job));

  CHECK(why["job"] == "small-1");
  CHECK(why["state"] == "running");
  CHECK(why["pending"] == "the change to async waits until all work granted so far is applied");
  REQUIRE(why["obstacles"].size() == 1);
  CHECK(why["obstacles"][0]["what"] == "round 12: data shards 96..97 missing");
  CHECK(why["obstacles"][0]["partitions"] == nlohmann::json::array({2}));
  CHECK(WhyText(job).find("change to async") != std::string::npos);
}

TEST_CASE("copies are counted against what scale has last asked for") {
  v1::JobStatus job = Healthy();
  job.mutable_fleet()->set_replicas(3);
  job.mutable_fleet()->set_min_in_sync(3);

  const std::vector<Obstacle> obstacles = ObstaclesOf(job);

  REQUIRE(obstacles.size() == 1);
  CHECK(obstacles[0].what == "2 of 3 copies in sync, fewer than min_in_sync 3: pushes wait");
}

TEST_CASE("a newest checkpoint that failed is told, with the one to fall back on") {
  v1::JobStatus job = Healthy();
  v1::CheckpointStatus* checkpoint = job.add_checkpoints();
  checkpoint->set_id(6);
  checkpoint->set_state(v1::CheckpointStatus::FAILED);
  checkpoint->set_error("no space left on device");
  REQUIRE(ObstaclesOf(job).size() == 1);
  CHECK(ObstaclesOf(job)[0].what ==
        "checkpoint 6 could not be written: no space left on device; none is whole");

  checkpoint->set_state(v1::CheckpointStatus::WHOLE);
  CHECK(ObstaclesOf(job).empty());
  checkpoint = job.add_checkpoints();
  checkpoint->set_id(7);
  checkpoint->set_state(v1::CheckpointStatus::FAILED);
  checkpoint->set_error("no space left on device");
  CHECK(WhyText(job).find("no space left on device; 6 is the newest whole one\n") !=
        std::string::npos);
}

TEST_CASE("a job that has ended waits for nothing") {
  v1::JobStatus job = Healthy();
  job.mutable_placement(0)->clear_server();
  job.set_state(v1::FINISHED);
  job.set_reason("");

  CHECK(ObstaclesOf(job).empty());
  CHECK(WhyText(job) == "small-1 is finished\n");
}

}  // namespace
}  // namespace paceline::cli
