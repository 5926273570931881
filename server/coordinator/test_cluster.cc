#include "server/coordinator/test_cluster.h"

#include <algorithm>
#include <catch2/catch.hpp>

namespace paceline {

TestCluster::TestCluster(CoordinatorOptions options) : options_(std::move(options)) { Restart(); }

CoordinatorOptions TestCluster::DefaultOptions() {
  CoordinatorOptions options;
  options.release = "0.1.0";
  return options;
}

void TestCluster::Restart() {
  coordinator_.reset();
  auto coordinator = Coordinator::Create(options_, &store_, now_);
  INFO(coordinator.status());
  REQUIRE(coordinator.ok());
  coordinator_ = *std::move(coordinator);
}

void TestCluster::Advance(absl::Duration duration) {
  const absl::Time end = now_ + duration;
  while (coordinator_->NextTick() <= end) {
    const absl::Time tick = std::max(now_, coordinator_->NextTick());
    coordinator_->OnTick(tick);
    // A tick leaves nothing to do at its own time.
    REQUIRE(coordinator_->NextTick() > tick);
    now_ = tick;
  }
  now_ = end;
  Collect();
}

void TestCluster::AdvanceHearing(const std::string& worker, absl::Duration duration) {
  for (const absl::Time end = now_ + duration; now_ < end;) {
    Advance(absl::Milliseconds(200));
    SyncWorker(worker);
  }
}

void TestCluster::Collect() {
  for (Reply& reply : coordinator_->TakeReplies()) {
    const uint64_t call = reply.call;
    REQUIRE(replies_.count(call) == 0);
    const std::string& caller = caller_[call];
    if (const auto* m = std::get_if<v1::WorkerSyncReply>(&reply.message)) {
      incarnations_[caller] = m->worker().incarnation();
      if (m->changed()) worker_directives_[caller] = *m;
    }
    if (const auto* m = std::get_if<v1::ServerSyncReply>(&reply.message)) {
      incarnations_[caller] = m->server().incarnation();
      if (m->changed()) server_directives_[caller] = *m;
    }
    replies_[call] = std::move(reply);
  }
}

const Reply* TestCluster::Find(uint64_t call) {
  Collect();
  const auto it = replies_.find(call);
  return it == replies_.end() ? nullptr : &it->second;
}

const Reply* TestCluster::Require(uint64_t call) {
  const Reply* reply = Find(call);
  REQUIRE(reply != nullptr);
  INFO(reply->status);
  REQUIRE(reply->status.ok());
  return reply;
}

absl::Status TestCluster::StatusOf(uint64_t call) {
  const Reply* reply = Find(call);
  REQUIRE(reply != nullptr);
  return reply->status;
}

uint64_t TestCluster::RegisterWorker(const std::string& id, uint32_t slots,
                                     const std::string& join) {
  v1::WorkerSyncRequest request;
  request.mutable_worker()->set_id(id);
  request.set_release("0.1.0");
  request.set_host("host");
  request.set_slots(slots);
  request.set_join_job(join);
  return Sync(request);
}

uint64_t TestCluster::RegisterServer(const std::string& id, const std::string& zone) {
  v1::ServerSyncRequest request;
  request.mutable_server()->set_id(id);
  request.set_release("0.1.0");
  request.set_address(id + ":7000");
  request.set_zone(zone);
  const uint64_t call = Sync(request);
  if (StatusOf(call).ok()) SyncServer(id);
  return call;
}

v1::WorkerSyncRequest TestCluster::WorkerRequest(const std::string& id) const {
  v1::WorkerSyncRequest request;
  request.mutable_worker()->set_id(id);
  request.mutable_worker()->set_incarnation(incarnations_.at(id));
  request.set_release("0.1.0");
  request.set_slots(1);
  const auto known = worker_directives_.find(id);
  if (known != worker_directives_.end()) request.set_known_version(known->second.version());
  return request;
}

v1::ServerSyncRequest TestCluster::ServerRequest(const std::string& id) const {
  v1::ServerSyncRequest request;
  request.mutable_server()->set_id(id);
  request.mutable_server()->set_incarnation(incarnations_.at(id));
  request.set_release("0.1.0");
  request.set_address(id + ":7000");
  const auto known = server_directives_.find(id);
  if (known != server_directives_.end()) request.set_known_version(known->second.version());
  return request;
}

uint64_t TestCluster::Sync(const v1::WorkerSyncRequest& request) {
  caller_[++calls_] = request.worker().id();
  coordinator_->OnWorkerSync(now_, calls_, request);
  Collect();
  return calls_;
}

uint64_t TestCluster::Sync(const v1::ServerSyncRequest& request) {
  caller_[++calls_] = request.server().id();
  coordinator_->OnServerSync(now_, calls_, request);
  Collect();
  return calls_;
}

void TestCluster::SyncAll() {
  for (const auto& [id, reply] : std::map<std::string, v1::ServerSyncReply>(server_directives_)) {
    SyncServer(id);
  }
  for (const auto& [id, reply] : std::map<std::string, v1::WorkerSyncReply>(worker_directives_)) {
    SyncWorker(id);
  }
}

uint64_t TestCluster::ReportFacts(const std::string& id, const std::string& job, uint64_t samples,
                                  const std::string& kernels) {
  v1::WorkerSyncRequest request = WorkerRequest(id);
  v1::WorkerJobReport* report = request.add_jobs();
  report->set_job(job);
  report->mutable_facts()->set_features(4);
  report->mutable_facts()->set_train_samples(samples);
  report->mutable_facts()->set_eval_samples(8);
  report->mutable_facts()->set_fingerprint("f00d");
  report->mutable_facts()->set_kernel_signature(kernels);
  return Sync(request);
}

uint64_t TestCluster::ReportError(const std::string& id, const std::string& job,
                                  const std::string& error) {
  v1::WorkerSyncRequest request = WorkerRequest(id);
  request.add_jobs()->set_job(job);
  request.mutable_jobs(0)->set_error(error);
  return Sync(request);
}

uint64_t TestCluster::ReportClock(const std::string& id, const std::string& job, uint64_t clock) {
  v1::WorkerSyncRequest request = WorkerRequest(id);
  request.add_jobs()->set_job(job);
  request.mutable_jobs(0)->set_clock(clock);
  return Sync(request);
}

uint64_t TestCluster::ReportEvaluation(const std::string& id, const std::string& job,
                                       uint32_t epoch, bool is_final) {
  v1::WorkerSyncRequest request = WorkerRequest(id);
  request.add_jobs()->set_job(job);
  v1::Evaluation* evaluation = request.mutable_jobs(0)->add_evaluations();
  evaluation->set_epoch(epoch);
  evaluation->set_loss(0.25);
  evaluation->set_final(is_final);
  if (is_final) evaluation->set_weights_sha256(std::string(64, 'a'));
  return Sync(request);
}

uint64_t TestCluster::ReportPartitions(const std::string& id, const std::string& job,
                                       uint64_t version, uint64_t applied_below) {
  v1::ServerSyncRequest request = ServerRequest(id);
  const v1::JobDirective* directive = ServerDirectiveOf(id, job);
  REQUIRE(directive != nullptr);
  for (const v1::PartitionPlacement& p : directive->placement()) {
    if (p.server() != id) continue;
    v1::PartitionReport* report = request.add_partitions();
    report->set_job(job);
    report->set_partition(p.partition());
    report->set_term(p.term());
    report->set_segment(directive->segment().index());
    report->set_version(version);
    report->set_applied_below(applied_below);
    report->set_samples(applied_below * 10);
    report->set_loss_sum(static_cast<double>(applied_below) * 5);
    v1::EpochTally* epoch = report->add_epochs();
    epoch->set_samples(report->samples());
    epoch->set_loss_sum(report->loss_sum());
  }
  return Sync(request);
}

v1::PartitionReport* TestCluster::AddReport(const v1::PartitionPlacement& place,
                                            const std::string& server, const std::string& job,
                                            v1::ServerSyncRequest* request) {
  v1::PartitionReport* report = request->add_partitions();
  report->set_job(job);
  report->set_partition(place.partition());
  report->set_term(place.term());
  report->set_config(place.config());
  report->set_is_backup(place.server() != server);
  for (const v1::PartitionReplica& copy : place.replicas()) {
    if (copy.server() == server) report->set_replica(copy.id());
  }
  return report;
}

uint64_t TestCluster::ReportPrimary(const std::string& job, uint32_t partition, uint64_t version,
                                    uint64_t backup, v1::BackupReport::State state,
                                    uint64_t last_index) {
  const v1::PartitionPlacement place = Describe(job).placement(static_cast<int>(partition));
  v1::ServerSyncRequest request = ServerRequest(place.server());
  v1::PartitionReport* report = AddReport(place, place.server(), job, &request);
  report->set_version(version);
  report->set_applied_below(version * 4);
  report->set_samples(version * 40);
  report->set_last_index(version);
  if (backup != 0) {
    report->add_backups()->set_replica(backup);
    report->mutable_backups(0)->set_state(state);
    report->mutable_backups(0)->set_last_index(last_index);
  }
  return Sync(request);
}

uint64_t TestCluster::ReportBackup(const std::string& server, const std::string& job,
                                   uint32_t partition, uint64_t last_index) {
  const v1::PartitionPlacement place = Describe(job).placement(static_cast<int>(partition));
  v1::ServerSyncRequest request = ServerRequest(server);
  v1::PartitionReport* report = AddReport(place, server, job, &request);
  report->set_last_index(last_index);
  return Sync(request);
}

void TestCluster::CatchUp(const std::string& job) {
  for (bool changed = true; changed;) {
    changed = false;
    for (int p = 0; p < Describe(job).placement_size(); ++p) {
      const v1::PartitionPlacement place = Describe(job).placement(p);
      const auto find = [&place](auto is) {
        return std::find_if(place.replicas().begin(), place.replicas().end(), is);
      };
      const auto behind = find([](const auto& c) { return !c.in_sync(); });
      const bool leaves = find([](const auto& c) { return c.leaving(); }) != place.replicas().end();
      if (behind == place.replicas().end() && !leaves) continue;
      const uint64_t id = behind == place.replicas().end() ? 0 : behind->id();
      ReportPrimary(job, place.partition(), Describe(job).version(), id);
      for (const v1::PartitionReplica& copy : place.replicas()) {
        const v1::PartitionPlacement now = Describe(job).placement(p);
        const bool is_there = std::any_of(now.replicas().begin(), now.replicas().end(),
                                          [&](const auto& c) { return c.id() == copy.id(); });
        if (copy.server() == now.server() || !is_there) continue;
        ReportBackup(copy.server(), job, place.partition(), 0);
      }
      changed |= Describe(job).placement(p).config() != place.config();
    }
  }
}

uint64_t TestCluster::Drain(const std::string& server, bool cancel) {
  v1::DrainServerRequest request;
  request.set_server(server);
  request.set_cancel(cancel);
  coordinator_->OnDrainServer(now_, ++calls_, request);
  Collect();
  return calls_;
}

v1::RebalanceReply TestCluster::Rebalance(bool dry_run) {
  v1::RebalanceRequest request;
  request.set_dry_run(dry_run);
  coordinator_->OnRebalance(now_, ++calls_, request);
  return Get<v1::RebalanceReply>(calls_);
}

uint64_t TestCluster::Scale(const v1::ScaleJobRequest& request) {
  coordinator_->OnScaleJob(now_, ++calls_, request);
  Collect();
  return calls_;
}

uint64_t TestCluster::TakeCheckpoint(const std::string& job, const std::string& path) {
  v1::TakeCheckpointRequest request;
  request.set_job(job);
  request.set_path(path);
  coordinator_->OnTakeCheckpoint(now_, ++calls_, request);
  Collect();
  return calls_;
}

uint64_t TestCluster::ReportCheckpoint(const std::string& server, const std::string& job,
                                       uint32_t partition, uint64_t version,
                                       const v1::CheckpointReport& checkpoint) {
  const v1::PartitionPlacement place = Describe(job).placement(static_cast<int>(partition));
  v1::ServerSyncRequest request = ServerRequest(server);
  v1::PartitionReport* report = AddReport(place, server, job, &request);
  report->set_version(version);
  report->set_applied_below(version * 4);
  report->set_samples(version * 40);
  *report->mutable_checkpoint() = checkpoint;
  return Sync(request);
}

v1::CheckpointReport TestCluster::CheckpointError(uint64_t id, const std::string& error) {
  v1::CheckpointReport report;
  report.set_id(id);
  report.set_error(error);
  return report;
}

v1::CheckpointStatus TestCluster::NewestCheckpoint(const std::string& job) {
  const v1::JobStatus status = Describe(job);
  REQUIRE(status.checkpoints_size() > 0);
  return *status.checkpoints().rbegin();
}

void TestCluster::WriteCheckpoint(const std::string& job, uint64_t id, uint64_t version) {
  v1::CheckpointReport report;
  report.set_id(id);
  report.set_part(std::string(64, 'b'));
  report.set_version(version);
  report.set_bytes(1000);
  const std::string server = Describe(job).placement(0).server();
  ReportCheckpoint(server, job, 0, version, report);
  report.set_committed(true);
  ReportCheckpoint(server, job, 0, version, report);
}

uint64_t TestCluster::Submit(const v1::JobSpec& spec, const std::string& submission_id,
                             const v1::StartingPoint* start) {
  v1::SubmitJobRequest request;
  if (start != nullptr) *request.mutable_start() = *start;
  *request.mutable_spec() = spec;
  request.set_submission_id(submission_id);
  coordinator_->OnSubmitJob(now_, ++calls_, request);
  Collect();
  return calls_;
}

std::string TestCluster::MustSubmit(const v1::JobSpec& spec) {
  const uint64_t call = Submit(spec, "submission-" + std::to_string(++submissions_));
  return Get<v1::SubmitJobReply>(call).job();
}

uint64_t TestCluster::Lease(const std::string& worker, const std::string& job, uint32_t want,
                            uint32_t segment) {
  v1::LeaseRequest request;
  request.set_job(job);
  request.mutable_worker()->set_id(worker);
  request.mutable_worker()->set_incarnation(incarnations_.at(worker));
  request.set_segment(segment);
  request.set_want(want);
  coordinator_->OnLeaseRuns(now_, ++calls_, request);
  Collect();
  return calls_;
}

uint64_t TestCluster::Cancel(const std::string& job, const std::string& reason) {
  v1::CancelJobRequest request;
  request.set_job(job);
  request.set_reason(reason);
  coordinator_->OnCancelJob(now_, ++calls_, request);
  Collect();
  return calls_;
}

uint64_t TestCluster::SetConsistency(const std::string& job,
                                     const v1::ConsistencySpec& consistency) {
  v1::SetConsistencyRequest request;
  request.set_job(job);
  *request.mutable_consistency() = consistency;
  coordinator_->OnSetConsistency(now_, ++calls_, request);
  Collect();
  return calls_;
}

v1::JobStatus TestCluster::Describe(const std::string& job) {
  v1::DescribeJobRequest request;
  request.set_job(job);
  coordinator_->OnDescribeJob(now_, ++calls_, request);
  return Get<v1::JobStatus>(calls_);
}

v1::FleetStatus TestCluster::DescribeFleet() {
  coordinator_->OnDescribeFleet(now_, ++calls_, {});
  return Get<v1::FleetStatus>(calls_);
}

uint64_t TestCluster::ListEvents(const std::string& job, uint64_t after, uint32_t wait_ms) {
  v1::ListEventsRequest request;
  request.set_job(job);
  request.set_after(after);
  request.set_wait_ms(wait_ms);
  coordinator_->OnListEvents(now_, ++calls_, request);
  Collect();
  return calls_;
}

bool TestCluster::HasEvent(const std::string& kind, const std::string& words) {
  const auto events = Get<v1::ListEventsReply>(ListEvents("", 0, 0)).events();
  return std::any_of(events.begin(), events.end(), [&](const v1::Event& e) {
    return e.kind() == kind && e.message().find(words) != std::string::npos;
  });
}

const v1::JobDirective* TestCluster::DirectiveOf(const std::string& worker,
                                                 const std::string& job) const {
  const auto it = worker_directives_.find(worker);
  if (it == worker_directives_.end()) return nullptr;
  for (const v1::JobDirective& directive : it->second.jobs()) {
    if (directive.job() == job) return &directive;
  }
  return nullptr;
}

const v1::JobDirective* TestCluster::ServerDirectiveOf(const std::string& server,
                                                       const std::string& job) const {
  const auto it = server_directives_.find(server);
  if (it == server_directives_.end()) return nullptr;
  for (const v1::JobDirective& directive : it->second.jobs()) {
    if (directive.job() == job) return &directive;
  }
  return nullptr;
}

v1::JobSpec TestCluster::Spec(uint32_t workers) {
  v1::JobSpec spec;
  spec.set_name("toy");
  spec.mutable_data()->set_format(v1::DataSpec::CSV);
  spec.mutable_data()->mutable_train()->set_path("/samples/train.csv");
  spec.mutable_data()->set_shard_samples(10);
  spec.mutable_model()->add_layers()->mutable_linear()->set_units(1);
  spec.mutable_model()->set_loss(v1::ModelSpec::MSE);
  spec.mutable_train()->set_shards_per_round(4);
  spec.mutable_train()->set_shards_per_push(2);
  spec.mutable_train()->set_epochs(2);
  spec.mutable_fleet()->set_workers(workers);
  return spec;
}

v1::JobSpec TestCluster::BareSpec() {
  v1::JobSpec spec;
  spec.set_name("bare");
  v1::ParameterSpec* parameter = spec.mutable_model()->add_parameters();
  parameter->set_name("w");
  parameter->add_shape(8);
  spec.mutable_consistency()->mutable_async();
  return spec;
}

std::string TestCluster::Running(const v1::JobSpec& spec, int workers) {
  const std::string job = MustSubmit(spec);
  RegisterServer("s1");
  for (int i = 1; i <= workers; ++i) RegisterWorker("w" + std::to_string(i));
  for (int i = 1; i <= workers; ++i) ReportFacts("w" + std::to_string(i), job);
  SyncAll();
  REQUIRE(Describe(job).state() == v1::RUNNING);
  return job;
}

std::string TestCluster::Replicated(uint32_t replicas, int servers, v1::JobSpec spec) {
  spec.mutable_fleet()->set_replicas(replicas);
  const std::string job = MustSubmit(spec);
  for (int i = 1; i <= servers; ++i) RegisterServer("s" + std::to_string(i));
  if (spec.model().layers_size() > 0) {
    RegisterWorker("w1");
    ReportFacts("w1", job);
  }
  SyncAll();
  REQUIRE(Describe(job).state() == v1::RUNNING);
  return job;
}

v1::JobSpec TestCluster::CheckpointedSpec() {
  v1::JobSpec spec = Spec();
  spec.mutable_train()->set_epochs(50);
  spec.mutable_checkpoint()->set_path("/checkpoints");
  spec.mutable_checkpoint()->set_every_s(10);
  return spec;
}

v1::JobSpec TestCluster::Ssp(v1::JobSpec spec) {
  spec.mutable_consistency()->mutable_ssp()->set_staleness(1);
  return spec;
}

v1::JobSpec TestCluster::WideSpec(uint64_t partitions) {
  v1::JobSpec spec = BareSpec();
  spec.mutable_model()->mutable_parameters(0)->set_shape(0, partitions << 20);
  return spec;
}

std::string TestCluster::CopiesOf(const std::string& job, uint32_t partition) {
  const v1::JobStatus status = Describe(job);
  const v1::PartitionPlacement& place = status.placement(static_cast<int>(partition));
  std::string all;
  for (const v1::PartitionReplica& copy : place.replicas()) {
    if (!all.empty()) all += " ";
    all += copy.server();
    if (copy.server() == place.server()) all += "*";
    if (!copy.in_sync()) all += "~";
    if (copy.leaving()) all += "-";
  }
  return all;
}

void TestCluster::Break(const std::string& server) { coordinator_->OnCancel(SyncServer(server)); }

}  // namespace paceline
