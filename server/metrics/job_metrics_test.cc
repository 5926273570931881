#include "server/metrics/job_metrics.h"

#include <algorithm>
#include <catch2/catch.hpp>

namespace paceline {
namespace {

// A classifier that runs on two servers, with a straggler and two checkpoints.
v1::JobStatus Running() {
  v1::JobStatus job;
  job.set_job("mnist-1");
  job.set_state(v1::RUNNING);
  job.mutable_spec()->mutable_model()->set_loss(v1::ModelSpec::SOFTMAX_CROSS_ENTROPY);
  job.mutable_spec()->mutable_checkpoint()->set_every_s(60);
  job.mutable_fleet()->set_workers(4);
  job.mutable_fleet()->set_replicas(2);
  job.mutable_fleet()->set_min_in_sync(1);
  job.set_version(40);
  job.set_version_total(400);
  job.set_epoch(2);
  job.set_samples(640);
  job.set_samples_total(6400);
  job.set_recent_loss(0.5);
  job.set_epoch_loss(0.6);
  job.set_epoch_accuracy(0.7);
  job.set_samples_per_s(123);
  job.set_wall_s(5.5);
  job.set_bytes_pushed(1000);
  job.set_bytes_pulled(2000);
  for (int i = 0; i < 3; ++i) job.mutable_roster()->add_members();
  v1::Evaluation* evaluation = job.add_evaluations();
  evaluation->set_epoch(1);
  evaluation = job.add_evaluations();
  evaluation->set_epoch(2);
  evaluation->set_loss(0.4);
  evaluation->set_accuracy(0.9);
  job.mutable_straggler()->mutable_worker()->set_id("w2");
  job.mutable_straggler()->set_times_median(3.5);

  v1::PartitionPlacement* place = job.add_placement();
  place->set_server("s1");
  v1::PartitionReplica* primary = place->add_replicas();
  primary->set_id(7);
  primary->set_server("s1");
  primary->set_in_sync(true);
  v1::PartitionReplica* backup = place->add_replicas();
  backup->set_id(8);
  backup->set_server("s2");
  backup->set_in_sync(true);
  v1::PartitionReport* report = job.add_partitions();
  report->set_last_index(50);
  v1::BackupReport* behind = report->add_backups();
  behind->set_replica(8);
  behind->set_last_index(44);

  v1::CheckpointStatus* whole = job.add_checkpoints();
  whole->set_id(1);
  whole->set_state(v1::CheckpointStatus::WHOLE);
  whole->set_ordered_unix_s(1.7e9);
  whole->set_bytes(4096);
  whole->set_seconds(0.25);
  v1::CheckpointStatus* writing = job.add_checkpoints();
  writing->set_id(2);
  return job;
}

MetricSet Of(const v1::JobStatus& job) {
  MetricSet set;
  AddJobMetrics(job, &set);
  return set;
}

TEST_CASE("a running job's status becomes metrics, each under its own name") {
  const MetricSet set = Of(Running());

  const auto is = [&set](const std::string& name, double value) {
    INFO(name);
    CHECK(set.Find(name, {"mnist-1"}) == value);
  };
  is("paceline_job_version", 40);
  is("paceline_job_version_planned", 400);
  is("paceline_job_epoch", 2);
  is("paceline_job_samples_total", 640);
  is("paceline_job_samples_planned", 6400);
  is("paceline_job_samples_per_second", 123);
  is("paceline_job_loss", 0.5);
  is("paceline_job_epoch_loss", 0.6);
  is("paceline_job_epoch_accuracy", 0.7);
  is("paceline_job_evaluation_epoch", 2);
  is("paceline_job_evaluation_loss", 0.4);
  is("paceline_job_evaluation_accuracy", 0.9);
  is("paceline_job_wall_seconds", 5.5);
  is("paceline_job_pushed_bytes_total", 1000);
  is("paceline_job_pulled_bytes_total", 2000);
  is("paceline_job_workers", 3);
  is("paceline_job_workers_wanted", 4);
  is("paceline_job_replicas_wanted", 2);
  is("paceline_job_min_in_sync", 1);
  CHECK(set.Find("paceline_job_state", {"mnist-1", "running"}) == 1.0);
  CHECK(set.Find("paceline_job_straggler_times_median", {"mnist-1", "w2"}) == 3.5);

  std::vector<std::string> listed;
  for (const MetricSpec& spec : JobMetrics()) listed.emplace_back(spec.name);
  std::sort(listed.begin(), listed.end());
  CHECK(set.Names() == listed);
}

TEST_CASE("copies in sync, a missing primary and what each backup lacks are told by partition") {
  v1::JobStatus job = Running();
  v1::PartitionPlacement* lost = job.add_placement();
  lost->set_partition(1);
  lost->add_replicas()->set_server("s1");
  const MetricSet set = Of(job);

  CHECK(set.Find("paceline_partition_in_sync_replicas", {"mnist-1", "0"}) == 2.0);
  CHECK(set.Find("paceline_partition_has_primary", {"mnist-1", "0"}) == 1.0);
  CHECK(set.Find("paceline_partition_replication_lag_entries", {"mnist-1", "0", "s2"}) == 6.0);
  CHECK(set.Find("paceline_partition_in_sync_replicas", {"mnist-1", "1"}) == 0.0);
  CHECK(set.Find("paceline_partition_has_primary", {"mnist-1", "1"}) == 0.0);

  // A backup that knows more than the newest report of its primary lacks nothing.
  job.mutable_partitions(0)->mutable_backups(0)->set_last_index(60);
  CHECK(Of(job).Find("paceline_partition_replication_lag_entries", {"mnist-1", "0", "s2"}) == 0.0);
}

TEST_CASE(
    "the newest checkpoint that ended says whether they work, the newest whole one what is there") {
  v1::JobStatus job = Running();
  const MetricSet::LabelValues name = {"mnist-1"};
  CHECK(Of(job).Find("paceline_checkpoint_up", name) == 1.0);

  job.mutable_checkpoints(1)->set_state(v1::CheckpointStatus::FAILED);
  const MetricSet failed = Of(job);
  CHECK(failed.Find("paceline_checkpoint_up", name) == 0.0);
  CHECK(failed.Find("paceline_checkpoint_failures", name) == 1.0);
  CHECK(failed.Find("paceline_checkpoint_last_id", name) == 1.0);
  CHECK(failed.Find("paceline_checkpoint_last_time_seconds", name) == 1.7e9);
  CHECK(failed.Find("paceline_checkpoint_last_bytes", name) == 4096.0);
  CHECK(failed.Find("paceline_checkpoint_last_duration_seconds", name) == 0.25);
  CHECK(failed.Find("paceline_checkpoint_interval_seconds", name) == 60.0);

  job.clear_checkpoints();
  CHECK_FALSE(Of(job).Find("paceline_checkpoint_up", name).has_value());
}

TEST_CASE("what nothing has measured is absent, not zero") {
  v1::JobStatus job = Running();
  job.set_samples(0);
  job.clear_evaluations();
  job.clear_straggler();
  const MetricSet fresh = Of(job);
  for (const char* name : {"paceline_job_loss", "paceline_job_epoch_loss",
                           "paceline_job_epoch_accuracy", "paceline_job_evaluation_loss"}) {
    CHECK_FALSE(fresh.Find(name, {"mnist-1"}).has_value());
  }
  CHECK(fresh.Text().find("straggler") == std::string::npos);

  job = Running();
  job.mutable_spec()->mutable_model()->set_loss(v1::ModelSpec::MSE);
  job.mutable_evaluations(1)->clear_accuracy();
  const MetricSet regression = Of(job);
  CHECK_FALSE(regression.Find("paceline_job_epoch_accuracy", {"mnist-1"}).has_value());
  CHECK_FALSE(regression.Find("paceline_job_evaluation_accuracy", {"mnist-1"}).has_value());
  CHECK(regression.Find("paceline_job_epoch_loss", {"mnist-1"}) == 0.6);
}

TEST_CASE("of a job that has ended only what it came to is left") {
  v1::JobStatus job = Running();
  job.set_state(v1::FINISHED);
  const MetricSet set = Of(job);

  CHECK(set.Find("paceline_job_state", {"mnist-1", "finished"}) == 1.0);
  CHECK_FALSE(set.Find("paceline_job_state", {"mnist-1", "running"}).has_value());
  CHECK(set.Find("paceline_job_samples_total", {"mnist-1"}) == 640.0);
  CHECK(set.Find("paceline_job_evaluation_accuracy", {"mnist-1"}) == 0.9);
  for (const std::string& name : set.Names()) {
    INFO(name);
    CHECK(name.find("paceline_partition") == std::string::npos);
    CHECK(name.find("paceline_checkpoint") == std::string::npos);
    CHECK(name.find("straggler") == std::string::npos);
    CHECK(name != "paceline_job_samples_per_second");
  }
}

}  // namespace
}  // namespace paceline
