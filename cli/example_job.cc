#include "cli/example_job.h"

namespace paceline::cli {

void AddWorker(v1::JobStatus* job, const std::string& id, const std::string& state,
               double compute_s, double wait_s, double transfer_s) {
  v1::WorkerStatus* worker = job->add_workers();
  worker->mutable_worker()->set_id(id);
  worker->mutable_worker()->set_incarnation(2);
  worker->set_state(state);
  worker->mutable_report()->set_clock(41);
  worker->mutable_report()->set_samples(1312);
  worker->mutable_report()->set_compute_s(compute_s);
  worker->mutable_report()->set_wait_s(wait_s);
  worker->mutable_report()->set_transfer_s(transfer_s);
}

void AddStraggler(v1::JobStatus* job) {
  v1::Straggler* const slow = job->mutable_straggler();
  slow->mutable_worker()->set_id("w1");
  slow->mutable_worker()->set_incarnation(2);
  slow->set_compute_s(0.0714);
  slow->set_wait_s(12);
  slow->set_transfer_s(0.002);
  slow->set_times_median(4.75);
  slow->set_limit("compute");
}

void AddPlacement(v1::JobStatus* job, uint32_t partition, const std::string& server) {
  v1::PartitionPlacement* place = job->add_placement();
  place->set_partition(partition);
  place->set_server(server);
  place->set_term(1);
}

v1::JobStatus RunningJob() {
  v1::JobStatus job;
  job.set_job("digits-7");
  job.set_state(v1::RUNNING);
  job.mutable_spec()->mutable_train()->set_epochs(5);
  job.mutable_spec()->mutable_fleet()->set_workers(2);
  job.mutable_spec()->mutable_fleet()->set_servers(3);
  job.mutable_spec()->mutable_fleet()->set_replicas(1);
  job.mutable_segment()->mutable_consistency()->mutable_ssp()->set_staleness(3);
  job.set_version(82);
  job.set_epoch(1);
  job.set_samples(2624);
  job.set_samples_total(10000);
  job.set_recent_loss(0.51234);
  job.set_epoch_loss(0.6);
  job.set_epoch_accuracy(0.875);
  job.set_samples_per_s(1312);
  job.set_wall_s(62);
  job.set_bytes_pushed(1500);
  job.set_bytes_pulled(2500000);
  job.mutable_roster()->add_members();
  AddWorker(&job, "w0", "training", 6, 3, 1);
  AddWorker(&job, "w1", "training", 0, 0, 0);

  for (uint32_t partition = 0; partition < 3; ++partition) {
    AddPlacement(&job, partition, "s" + std::to_string(partition));
  }
  for (const char* server : {"s0", "s1", "s2"}) {
    v1::PartitionReplica* copy = job.mutable_placement(0)->add_replicas();
    copy->set_server(server);
    copy->set_in_sync(copy->server() != "s2");
  }
  job.mutable_placement(2)->clear_server();
  v1::PartitionReport* first = job.add_partitions();
  first->set_partition(0);
  first->set_version(83);
  first->set_pushes_duplicate(2);
  first->set_pushes_refused_stale(4);
  first->set_pushes_invalid(1);
  first->set_last_invalid("w1: gradient holds NaN at element 3");
  for (const uint64_t count : {50, 20, 12}) first->add_staleness(count);
  for (int i = 0; i < 2; ++i) {
    v1::Wait* wait = first->add_waits();
    wait->set_worker("w0");
    wait->set_what("clock 38");
    wait->add_on("w1");
    wait->add_on("w3");
  }
  v1::PartitionReport* second = job.add_partitions();
  second->set_partition(1);
  second->set_version(82);
  for (const uint64_t count : {60, 22}) second->add_staleness(count);
  return job;
}

v1::JobStatus CheckpointedJob() {
  v1::JobStatus job = RunningJob();
  for (uint64_t id = 3; id <= 5; ++id) {
    v1::CheckpointStatus* checkpoint = job.add_checkpoints();
    checkpoint->set_id(id);
    checkpoint->set_state(v1::CheckpointStatus::WHOLE);
    checkpoint->set_version(20 * id);
    checkpoint->set_bytes(12345678);
    checkpoint->set_seconds(0.4);
    checkpoint->set_ordered_unix_s(845 + 30 * static_cast<double>(id));
    checkpoint->set_path("/c");
  }
  job.mutable_checkpoints(2)->set_state(v1::CheckpointStatus::FAILED);
  job.mutable_checkpoints(2)->set_error("no space left on device");
  return job;
}

v1::JobStatus FinishedJob() {
  v1::JobStatus job = RunningJob();
  job.set_state(v1::FINISHED);
  job.set_epoch(5);
  job.set_samples(10000);
  v1::Evaluation* early = job.add_evaluations();
  early->set_epoch(4);
  early->set_loss(0.4);
  v1::Evaluation* last = job.add_evaluations();
  last->set_epoch(5);
  last->set_loss(0.25);
  last->set_accuracy(0.9);
  last->set_samples(500);
  last->set_final(true);
  job.set_weights_sha256("abcd");
  job.set_spec_sha256("ef01");
  job.set_release("0.1.0");
  return job;
}

}  // namespace paceline::cli
