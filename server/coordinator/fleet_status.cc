// What people see of jobs, workers and servers, and why.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "common/job/job_state.h"
#include "server/coordinator/checkpoints.h"
#include "server/coordinator/fleet.h"
#include "server/coordinator/request_check.h"
#include "server/coordinator/roster.h"
#include "server/coordinator/work.h"

namespace paceline {
namespace {

// A wait that is worth telling.
constexpr absl::Duration kTrouble = absl::Seconds(1);

// A new primary that has been heard for so long has settled.
constexpr absl::Duration kSettled = absl::Seconds(3);

std::string Seconds(absl::Duration duration) {
  return absl::StrFormat("%.1f s", std::max(0.0, absl::ToDoubleSeconds(duration)));
}

// The newest evaluations that a status shows, besides the best one.
constexpr size_t kEvaluationsShown = 100;

bool IsBetter(const v1::Evaluation& a, const v1::Evaluation& b) {
  if (a.has_accuracy() && b.has_accuracy() && a.accuracy() != b.accuracy()) {
    return a.accuracy() > b.accuracy();
  }
  return a.loss() < b.loss();
}

void AddEvaluations(const Records::Evaluations& all, v1::JobStatus* status) {
  const v1::Evaluation* best = nullptr;
  for (const auto& [epoch, evaluation] : all) {
    if (best == nullptr || IsBetter(evaluation, *best)) best = &evaluation;
  }
  size_t left = all.size();
  for (const auto& [epoch, evaluation] : all) {
    if (left-- <= kEvaluationsShown || &evaluation == best) *status->add_evaluations() = evaluation;
  }
}

std::string Shards(uint64_t first, uint64_t count) {
  if (count == 1) return absl::StrCat("data shard ", first);
  return absl::StrCat("data shards ", first, "..", first + count - 1);
}

}  // namespace

v1::WorkerStatus Coordinator::Fleet::DescribeWorker(const std::string& id) const {
  const Worker& worker = workers_.at(id);
  const state::WorkerRecord& record = records_.workers().at(id);
  v1::WorkerStatus status;
  *status.mutable_worker() = record.worker();
  status.set_host(record.host());
  status.set_pid(record.pid());
  status.set_release(record.release());
  status.set_job(record.join_job());
  status.set_state(record.slots() == 0 ? "client" : "idle");
  status.set_lease_left_s(
      std::max(0.0, absl::ToDoubleSeconds(worker_leases_.EndOf(id) - now_)));
  for (const uint64_t number : worker.jobs) {
    const auto job = jobs_.find(number);
    if (job == jobs_.end()) continue;
    const Assigned& assigned = job->second.assigned.at(id);
    const v1::RosterMember* member = FindMember(RecordOf(job->second).roster(), id);
    status.set_job(job->second.name);
    *status.mutable_report() = assigned.report;
    if (member == nullptr) {
      status.set_state("loading");
    } else if (job->second.evaluator == id) {
      status.set_state("evaluating");
    } else if (record.slots() > 0) {
      status.set_state(member->idle() ? "idle" : "training");
    }
    break;
  }
  return status;
}

void Coordinator::Fleet::DescribeWorkers(const Job& job, v1::JobStatus* status) const {
  uint64_t pushed = job.bytes_pushed;
  uint64_t pulled = job.bytes_pulled;
  for (const auto& [id, assigned] : job.assigned) {
    v1::WorkerStatus* worker = status->add_workers();
    *worker = DescribeWorker(id);
    worker->set_job(job.name);
    *worker->mutable_report() = assigned.report;
    pushed += assigned.report.bytes_pushed();
    pulled += assigned.report.bytes_pulled();
  }
  for (const auto& [id, refusal] : job.refused) {
    v1::WorkerStatus* worker = status->add_workers();
    worker->mutable_worker()->set_id(id);
    worker->mutable_worker()->set_incarnation(refusal.incarnation);
    worker->set_job(job.name);
    worker->set_state(absl::StrCat("left out: ", refusal.why));
  }
  for (const Gone& gone : gone_) {
    if (gone.jobs.count(job.number) == 0) continue;
    v1::WorkerStatus* worker = status->add_workers();
    *worker = gone.status;
    worker->set_state(absl::StrCat(gone.how, " ", Seconds(now_ - gone.when), " ago"));
    worker->set_lease_left_s(0);
  }
  status->set_bytes_pushed(pushed);
  status->set_bytes_pulled(pulled);
}

void Coordinator::Fleet::DescribeLive(const Job& job, v1::JobStatus* status) const {
  const state::JobRecord& record = RecordOf(job);
  status->set_reason(ReasonOf(job));
  status->set_store_error(std::string(store_status_.message()));
  DescribeWorkers(job, status);
  if (job.progress == nullptr) return;
  const Progress& progress = *job.progress;
  status->set_version(progress.Version());
  status->set_samples(progress.Samples());
  status->set_recent_loss(progress.RecentLoss());
  status->set_epoch_loss(progress.EpochLoss());
  status->set_epoch_accuracy(progress.EpochAccuracy());
  status->set_samples_per_s(progress.SamplesPerSecond(now_));
  for (size_t p = 0; p < progress.reports().size(); ++p) {
    v1::PartitionReport* report = status->add_partitions();
    *report = progress.reports()[p];
    report->set_partition(static_cast<uint32_t>(p));
    report->set_job(job.name);
  }
  if (job.is_bare) return;
  if (record.state() == v1::RUNNING) {
    if (auto straggler = job.pace.Find()) *status->mutable_straggler() = *std::move(straggler);
  }
  status->set_epoch(static_cast<uint32_t>(progress.AppliedBelow() / EpochShards(record)));
  status->set_samples_total(record.facts().train_samples() * record.spec().train().epochs());
  status->set_version_total(record.segment().first_version() + PlanOf(record).size());
}

v1::JobStatus Coordinator::Fleet::Describe(const state::JobRecord& record) const {
  v1::JobStatus status;
  const auto live = jobs_.find(record.number());
  if (HasEnded(record.state())) {
    status = record.final_status();
    status.set_reason(record.reason());
  } else if (live != jobs_.end()) {
    DescribeLive(live->second, &status);
  }
  status.set_job(record.job());
  status.set_state(record.state());
  *status.mutable_spec() = record.spec();
  *status.mutable_fleet() = FleetOf(record);
  if (record.has_facts()) *status.mutable_facts() = record.facts();
  *status.mutable_segment() = record.segment();
  *status.mutable_roster() = record.roster();
  *status.mutable_placement() = record.placement();
  status.set_spec_sha256(record.spec_sha256());
  status.set_release(options_.release);
  status.set_submitted_unix_s(record.submitted_unix_s());
  if (record.has_pending()) *status.mutable_pending_consistency() = record.pending();
  if (record.started_unix_s() > 0) {
    const double now = absl::ToDoubleSeconds(now_ - absl::UnixEpoch());
    const double end = HasEnded(record.state()) ? record.ended_unix_s() : now;
    status.set_wall_s(std::max(0.0, end - record.started_unix_s()));
  }
  AddEvaluations(records_.evaluations(record.number()), &status);
  for (const state::CheckpointRecord& checkpoint : record.checkpoints()) {
    if (checkpoint.job().empty()) *status.add_checkpoints() = checkpoint.status();
  }
  if (const int more = status.checkpoints_size() - kCheckpointsKept; more > 0) {
    status.mutable_checkpoints()->DeleteSubrange(0, more);
  }
  return status;
}

std::string Coordinator::Fleet::ReasonOf(const Job& job) const {
  const state::JobRecord& record = RecordOf(job);
  if (!store_status_.ok() && retry_jobs_.count(job.number) > 0) {
    return std::string(store_status_.message());
  }
  if (record.state() == v1::WAITING) return WaitingReason(job);
  if (record.restoring()) return RestoringReason(job);
  if (const std::string silence = Silence(job); !silence.empty()) return silence;
  if (record.state() == v1::RUNNING) return RunningReason(job);
  if (std::string why = FailoverReason(job); !why.empty()) return why;
  if (job.evaluator.empty()) return "waiting for a worker to evaluate the final parameters";
  return absl::StrCat(job.evaluator, " evaluates the final parameters");
}

std::string Coordinator::Fleet::ServersReason(const Job& job) const {
  const uint32_t wanted = ServersWanted(FleetOf(RecordOf(job)));
  if (servers_.empty()) return "waiting for a server: none is registered";
  if (std::all_of(records_.servers().begin(), records_.servers().end(),
                  [](const auto& entry) { return entry.second.draining(); })) {
    return "waiting for a server: all are draining";
  }
  if (job.start_by == absl::InfiniteFuture()) return "waiting for a server's next sync";
  return absl::StrCat("waiting for ", wanted, " servers: ", servers_.size(),
                      " registered; starts without the others in ",
                      Seconds(job.start_by - now_));
}

std::string Coordinator::Fleet::RestoringReason(const Job& job) const {
  const state::JobRecord& record = RecordOf(job);
  const state::CheckpointRecord* to = NewestWhole(record);
  return absl::StrCat("going back to ", to == nullptr ? "a checkpoint" : NameOf(*to),
                      record.restore_reason().empty() ? "" : " (", record.restore_reason(),
                      record.restore_reason().empty() ? "" : ")", ": ",
                      record.restoring() ? ServersReason(job)
                                         : "waiting for the first report of every partition");
}

std::string Coordinator::Fleet::WaitingReason(const Job& job) const {
  if (job.is_bare || job.facts.has_value()) {
    return ServersReason(job);
  }
  if (!job.assigned.empty()) {
    std::vector<std::string> ids;
    for (const auto& [id, assigned] : job.assigned) ids.push_back(id);
    return absl::StrCat("waiting for ", absl::StrJoin(ids, ", "), " to read the data");
  }
  std::set<std::string> others;
  size_t workers = 0;
  for (const auto& [id, worker] : workers_) {
    if (records_.workers().at(id).slots() == 0 || IsRefused(job, id)) continue;
    ++workers;
    for (const uint64_t number : worker.jobs) others.insert(jobs_.at(number).name);
  }
  if (workers == 0) return "waiting for a worker: none is registered that may do it";
  return absl::StrCat("waiting for a worker: all ", workers, " are busy with ",
                      absl::StrJoin(others, ", "));
}

std::string Coordinator::Fleet::MissingWork(const Job& job, const std::string& worker) const {
  const state::JobRecord& record = RecordOf(job);
  const WorkPlan plan = PlanOf(record);
  if (job.grants.has_value()) {
    const uint64_t first = record.segment().first_version();
    const uint64_t version = std::max(job.progress->Version(), first);
    if (version - first >= plan.size()) return "";
    const WorkPlan::Run run = plan.At(version - first);
    const auto& members = record.roster().members();
    for (int rank = 0; rank < members.size(); ++rank) {
      if (members[rank].worker().id() != worker) continue;
      const LeafRun leaves = LeavesOf(run.count, static_cast<uint32_t>(rank),
                                      static_cast<uint32_t>(members.size()));
      if (leaves.count == 0) return absl::StrCat("round ", version - first, ", no data shards");
      return absl::StrCat("round ", version - first, ", ",
                          Shards(run.first_ordinal + leaves.first, leaves.count));
    }
    return "";
  }
  if (!job.shards.has_value()) return "";
  std::vector<std::string> held;
  for (const uint64_t r : job.shards->HeldBy(worker)) {
    if (held.size() == 3) break;
    const WorkPlan::Run run = plan.At(r);
    held.push_back(absl::StrCat("run ", r, ", ", Shards(run.first_ordinal, run.count)));
  }
  return absl::StrJoin(held, "; ");
}

std::string Coordinator::Fleet::Silence(const Job& job) const {
  if (is_cut_off_) {
    return absl::StrCat("the coordinator has heard no worker and no server for ",
                        Seconds(now_ - heard_at_),
                        ": it takes itself for cut off, and gives nobody up until it hears one");
  }
  const absl::Duration silence_long = std::min(kTrouble, options_.lease / 2);
  std::vector<std::string> silent;
  const auto add = [&](const std::string& who, bool suspected, absl::Duration silence,
                       absl::Time end, const std::string& work) {
    if ((silence < silence_long && !suspected) || silent.size() == 3) return;
    silent.push_back(absl::StrCat(who, " (no sync for ", Seconds(silence), "; expires in ",
                                  Seconds(end - now_), ")", work.empty() ? "" : ": ", work));
  };
  for (const std::string& id : HoldersOf(RecordOf(job))) {
    const auto server = servers_.find(id);
    if (server == servers_.end()) continue;
    add(absl::StrCat("server ", id), server->second.suspected, now_ - server->second.last_sync,
        server_leases_.EndOf(id), "");
  }
  for (const v1::RosterMember& member : RecordOf(job).roster().members()) {
    const std::string& id = member.worker().id();
    const auto worker = workers_.find(id);
    if (worker == workers_.end()) continue;
    add(id, false, now_ - worker->second.last_sync, worker_leases_.EndOf(id), MissingWork(job, id));
  }
  if (silent.empty()) return "";
  return absl::StrCat("waiting for ", absl::StrJoin(silent, "; "));
}

std::string Coordinator::Fleet::RunningReason(const Job& job) const {
  const state::JobRecord& record = RecordOf(job);
  if (record.roster().members_size() == 0) {
    if (job.is_bare) return "ready for library clients: none has joined";
    if (job.assigned.empty()) return "waiting for a worker: none is free";
    return absl::StrCat("waiting for ", job.assigned.begin()->first, " to read the data");
  }
  if (std::string why = FailoverReason(job); !why.empty()) return why;
  if (std::string why = CopyingReason(job, true); !why.empty()) return why;
  if (!job.progress->Complete()) {
    if (record.restores() > 0) return RestoringReason(job);
    return "waiting for the first report of every partition";
  }
  if (record.has_pending()) {
    return absl::StrCat("changing its mode: waiting until all work below run ", record.cut(),
                        " is applied (version ", job.progress->Version(), " of ",
                        record.segment().first_version() + record.cut(), ")");
  }
  if (now_ - job.progress->moved() >= kTrouble) {
    for (const v1::PartitionReport& report : job.progress->reports()) {
      for (const v1::Wait& wait : report.waits()) {
        if (wait.on_size() == 0) continue;
        return absl::StrCat("waiting for ", absl::StrJoin(wait.on(), ", "), ": ", wait.what(),
                            " (", wait.worker(), " waits for ", absl::StrFormat("%.1f", wait.seconds()),
                            " s)");
      }
    }
    return absl::StrCat("at work; nothing new was applied for ",
                        Seconds(now_ - job.progress->moved()));
  }
  std::string copying = CopyingReason(job, false);
  if (!copying.empty()) copying = absl::StrCat("; ", copying);
  if (job.is_bare) return absl::StrCat("running: version ", job.progress->Version(), copying);
  return absl::StrCat("training: ", job.grants.has_value() ? "round " : "push ",
                      job.progress->Version(), " of ",
                      record.segment().first_version() + PlanOf(record).size(), copying);
}

std::string Coordinator::Fleet::FailoverReason(const Job& job) const {
  std::vector<std::string> all;
  size_t more = 0;
  for (const auto& [p, failover] : job.failovers) {
    const v1::PartitionPlacement& place = RecordOf(job).placement(static_cast<int>(p));
    const bool is_heard = job.progress->reports()[p].term() == place.term();
    // One that nobody pushes to does not come further.
    if (is_heard && now_ - failover.when > kSettled) continue;
    if (all.size() == 3) {
      ++more;
      continue;
    }
    all.push_back(absl::StrCat("partition ", p, " has a new primary on ", place.server(), " since ",
                               Seconds(now_ - failover.when)));
  }
  if (all.empty()) return "";
  return absl::StrCat(absl::StrJoin(all, ", "),
                      more > 0 ? absl::StrCat(", and ", more, " more") : "");
}

// What copies are missing; with `blocks` only where that keeps pushes waiting.
std::string Coordinator::Fleet::CopyingReason(const Job& job, bool blocks) const {
  const v1::FleetSpec fleet = FleetOf(RecordOf(job));
  std::string first;
  size_t more = 0;
  for (const v1::PartitionPlacement& place : RecordOf(job).placement()) {
    const uint32_t in_sync = InSyncOf(place);
    if (in_sync >= (blocks ? fleet.min_in_sync() : fleet.replicas())) continue;
    if (!first.empty()) {
      ++more;
      continue;
    }
    const v1::PartitionReport& report = job.progress->reports()[place.partition()];
    std::string how = "no other server takes one";
    for (const v1::PartitionReplica& copy : place.replicas()) {
      if (copy.in_sync()) continue;
      how = absl::StrCat("copying to ", copy.server());
      for (const v1::BackupReport& backup : report.backups()) {
        if (backup.replica() != copy.id()) continue;
        absl::StrAppend(&how, " (entry ", backup.last_index(), " of ", report.last_index(), ")");
      }
      break;
    }
    const std::string wanted =
        blocks ? absl::StrCat(" (pushes wait for ", fleet.min_in_sync(), ")") : "";
    first = absl::StrCat("partition ", place.partition(), ": ", in_sync, " of ", fleet.replicas(),
                         " copies in sync", wanted, ", ", how);
  }
  return more > 0 ? absl::StrCat(first, "; and ", more, " more partitions") : first;
}

void Coordinator::Fleet::OnDescribeJob(absl::Time now, uint64_t call,
                                       const v1::DescribeJobRequest& request) {
  Begin(now);
  const state::JobRecord* record = FindRecord(request.job());
  if (record == nullptr) {
    return Refuse(call, absl::NotFoundError(absl::StrCat("no job '", Clip(request.job(), 64),
                                                         "' on this fleet")));
  }
  Answer(call, Describe(*record));
}

void Coordinator::Fleet::OnListJobs(absl::Time now, uint64_t call) {
  Begin(now);
  v1::ListJobsReply reply;
  for (const auto& [number, record] : records_.jobs()) {
    v1::JobStatus* status = reply.add_jobs();
    *status = Describe(record);
    // A list shows how a job stands; DescribeJob tells how it came there.
    if (const int before = status->evaluations_size() - 1; before > 0) {
      status->mutable_evaluations()->DeleteSubrange(0, before);
    }
  }
  Answer(call, std::move(reply));
}

void Coordinator::Fleet::OnDescribeFleet(absl::Time now, uint64_t call) {
  Begin(now);
  v1::FleetStatus status;
  status.set_release(options_.release);
  status.set_jobs(jobs_.size());
  if (!store_status_.ok()) {
    status.set_store_error(std::string(store_status_.message()));
    status.set_store_error_s(absl::ToDoubleSeconds(now_ - store_lost_));
  }
  for (const auto& [id, server] : servers_) {
    const state::ServerRecord& record = records_.servers().at(id);
    v1::ServerStatus* out = status.add_servers();
    *out->mutable_server() = record.server();
    out->set_address(record.address());
    out->set_pid(record.pid());
    out->set_release(record.release());
    out->set_zone(record.zone());
    for (const auto& [number, job] : jobs_) {
      for (const v1::PartitionPlacement& p : RecordOf(job).placement()) {
        if (CopyOn(id, p) == nullptr) continue;
        out->set_replicas(out->replicas() + 1);
        out->set_partitions(out->partitions() + (p.server() == id));
        out->set_elements(out->elements() + job.elements[p.partition()]);
      }
    }
    out->set_lease_left_s(
        std::max(0.0, absl::ToDoubleSeconds(server_leases_.EndOf(id) - now_)));
    const absl::Duration silence = now_ - server.last_sync;
    if (silence >= kTrouble || server.suspected) {
      out->set_state(absl::StrCat("no sync for ", Seconds(silence)));
    } else if (record.draining()) {
      out->set_state(out->replicas() > 0 ? "draining" : "drained");
    } else {
      out->set_state("serving");
    }
  }
  for (const auto& [id, worker] : workers_) *status.add_workers() = DescribeWorker(id);
  for (const Gone& gone : gone_) {
    v1::WorkerStatus* out = status.add_workers();
    *out = gone.status;
    out->set_state(absl::StrCat(gone.how, " ", Seconds(now_ - gone.when), " ago"));
    out->set_lease_left_s(0);
  }
  Answer(call, std::move(status));
}

}  // namespace paceline
