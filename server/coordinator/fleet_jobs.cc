// One job's way from its submission to its end.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/status_macros.h"
#include "common/job/job_spec.h"
#include "common/job/job_state.h"
#include "common/job/parameters.h"
#include "common/job/partitioning.h"
#include "server/coordinator/fleet.h"
#include "server/coordinator/request_check.h"
#include "server/coordinator/roster.h"
#include "server/coordinator/work.h"

namespace paceline {
namespace {

double UnixSeconds(absl::Time time) { return absl::ToDoubleSeconds(time - absl::UnixEpoch()); }

std::string Show(const v1::DatasetFacts& facts) {
  return absl::StrCat(facts.train_samples(), " training samples of ", facts.features(),
                      " features, ", facts.eval_samples(), " to evaluate on, fingerprint ",
                      facts.fingerprint().substr(0, 12));
}

bool Equal(const v1::DatasetFacts& a, const v1::DatasetFacts& b) {
  return a.features() == b.features() && a.train_samples() == b.train_samples() &&
         a.eval_samples() == b.eval_samples() && a.fingerprint() == b.fingerprint();
}

// Promise 3 is given to jobs that are sync from their start.
bool NeedsSameBits(const state::JobRecord& record) {
  return !record.mode_changed() && record.segment().consistency().has_sync();
}

std::string OtherKernels(const v1::DatasetFacts& known, const v1::DatasetFacts& facts) {
  return absl::StrCat("its kernels (", facts.kernel_signature(),
                      ") give other bits than those of the job's first worker (",
                      known.kernel_signature(),
                      "); for a sync job give every worker the same --backend and, on the CPU, "
                      "set OPENBLAS_CORETYPE=Haswell in the environment of each; ssp and async "
                      "jobs take both");
}

bool IsSsp(const state::JobRecord& record) { return record.segment().consistency().has_ssp(); }

}  // namespace

void Coordinator::Fleet::FillDirective(const state::JobRecord& record,
                                       v1::JobDirective* directive) {
  directive->set_job(record.job());
  *directive->mutable_spec() = record.spec();
  *directive->mutable_spec()->mutable_fleet() = FleetOf(record);
  if (record.has_facts()) *directive->mutable_facts() = record.facts();
  directive->set_state(record.state());
  *directive->mutable_segment() = record.segment();
  *directive->mutable_roster() = record.roster();
  *directive->mutable_placement() = record.placement();
}

void Coordinator::Fleet::OnSubmitJob(absl::Time now, uint64_t call,
                                     const v1::SubmitJobRequest& request) {
  Begin(now);
  v1::JobSpec spec = request.spec();
  absl::Status status = CheckId("submission_id", request.submission_id());
  if (status.ok()) status = ResolveJobSpec(&spec);
  const bool is_bare = spec.model().parameters_size() > 0;
  if (status.ok() && is_bare) status = ParametersOf(spec, {}).status();
  v1::StartingPoint start = request.start();
  if (status.ok() && request.has_start()) status = CheckStartOf(spec, &start);
  if (!status.ok()) return Refuse(call, status);

  v1::SubmitJobReply reply;
  const std::string sha256 = SpecSha256(spec);
  const auto known = submission_.find(request.submission_id());
  if (known != submission_.end()) {
    const state::JobRecord& record = records_.jobs().at(known->second);
    const bool is_same = record.spec_sha256() == sha256 &&
                         record.start().SerializeAsString() == start.SerializeAsString();
    if (!is_same) {
      return Refuse(call, absl::AlreadyExistsError(absl::StrCat(
                              "submission_id '", request.submission_id(), "' is that of job ",
                              record.job(), ", whose spec or starting point is another one")));
    }
    reply.set_job(record.job());
    return Answer(call, std::move(reply));
  }
  if (jobs_.size() >= options_.jobs_max) {
    return Refuse(call, absl::ResourceExhaustedError(absl::StrCat(
                            "this fleet has ", jobs_.size(),
                            " jobs that have not ended, as many as it takes")));
  }
  const uint64_t number = records_.coordinator().jobs() + 1;
  reply.set_job(absl::StrCat(spec.name(), "-", number));
  Edit edit(&records_);
  edit.coordinator()->set_jobs(number);
  state::JobRecord* record = edit.job(number);
  record->set_number(number);
  record->set_job(reply.job());
  record->set_submission_id(request.submission_id());
  *record->mutable_spec() = spec;
  record->set_spec_sha256(sha256);
  record->set_state(v1::WAITING);
  record->set_submitted_unix_s(UnixSeconds(now_));
  *record->mutable_segment()->mutable_consistency() = spec.consistency();
  if (request.has_start()) SetStart(start, record);
  edit.Then([this, number, name = reply.job(), id = request.submission_id(), is_bare] {
    number_of_[name] = number;
    submission_[id] = number;
    Job& job = jobs_[number];
    job.number = number;
    job.name = name;
    job.is_bare = is_bare;
    Mark(number);
    schedule_ = true;
    Emit(name, EventKind::kJobSubmitted, name, absl::StrCat(name, " submitted"));
  });
  status = Commit(&edit);
  if (!status.ok()) {
    Refuse(call, status);
  } else {
    Answer(call, std::move(reply));
  }
  Settle();
}

void Coordinator::Fleet::OnCancelJob(absl::Time now, uint64_t call,
                                     const v1::CancelJobRequest& request) {
  Begin(now);
  const state::JobRecord* record = FindRecord(request.job());
  if (record == nullptr) {
    return Refuse(call, absl::NotFoundError(absl::StrCat("no job '", Clip(request.job(), 64),
                                                         "' on this fleet")));
  }
  v1::CancelJobReply reply;
  if (Job* job = FindJob(record->number()); job != nullptr) {
    Edit edit(&records_);
    const std::string why = Clip(request.reason(), 500);
    End(job, &edit, v1::CANCELLED, why.empty() ? "cancelled" : absl::StrCat("cancelled: ", why));
    if (const absl::Status status = Commit(&edit); !status.ok()) return Refuse(call, status);
  }
  reply.set_state(FindRecord(request.job())->state());
  Answer(call, std::move(reply));
  Settle();
}

absl::Status Coordinator::Fleet::Advance(Job* job) {
  const uint64_t number = job->number;
  RETURN_IF_ERROR(TakeUnreadable(job));
  job = FindJob(number);
  if (job == nullptr) return absl::OkStatus();
  RETURN_IF_ERROR(PlaceAnew(job));
  switch (RecordOf(*job).state()) {
    case v1::WAITING:
      return AdvanceWaiting(job);
    case v1::RUNNING:
      return AdvanceRunning(job);
    case v1::EVALUATING:
      return AdvanceEvaluating(job);
    default:
      return absl::OkStatus();
  }
}

bool Coordinator::Fleet::FactsFit(const Job& job, const v1::DatasetFacts& facts,
                                  std::string* why) const {
  const state::JobRecord& record = RecordOf(job);
  if (const absl::Status status = CheckFacts("its data", facts); !status.ok()) {
    *why = std::string(status.message());
    return false;
  }
  if (const absl::Status status = ParametersOf(record.spec(), facts).status(); !status.ok()) {
    *why = std::string(status.message());
    return false;
  }
  if (record.has_start() && !Equal(record.start().facts(), facts)) {
    *why = absl::StrCat("it found other data than the checkpoint was trained on: ", Show(facts),
                        "; wanted ", Show(record.start().facts()));
    return false;
  }
  const v1::DatasetFacts* known = nullptr;
  if (record.has_facts()) known = &record.facts();
  if (known == nullptr && job.facts.has_value()) known = &*job.facts;
  if (known == nullptr) return true;
  if (!Equal(*known, facts)) {
    *why = absl::StrCat("it found other data than the job's first worker: ", Show(facts),
                        "; wanted ", Show(*known));
    return false;
  }
  if (!NeedsSameBits(record) || known->kernel_signature() == facts.kernel_signature()) return true;
  *why = OtherKernels(*known, facts);
  return false;
}

void Coordinator::Fleet::TakeFacts(Job* job, Edit* edit) {
  const bool any_ready = std::any_of(job->assigned.begin(), job->assigned.end(),
                                     [](const auto& entry) { return entry.second.ready; });
  if (!any_ready) job->facts.reset();
  for (auto& [id, assigned] : job->assigned) {
    std::string why = assigned.report.error();
    if (!why.empty()) {
      LeaveOut(job, edit, id, why);
      assigned.ready = false;
      continue;
    }
    if (job->is_bare || !assigned.report.has_facts()) continue;
    // A job that waits may have become sync since.
    if (assigned.ready && RecordOf(*job).state() != v1::WAITING) continue;
    if (!FactsFit(*job, assigned.report.facts(), &why)) {
      LeaveOut(job, edit, id, why);
      assigned.ready = false;
      continue;
    }
    assigned.ready = true;
    if (!job->facts.has_value()) job->facts = assigned.report.facts();
  }
}

bool Coordinator::Fleet::FailIfStuck(Job* job, Edit* edit) {
  if (job->is_bare || job->refused.empty() || HasCandidate(*job)) return false;
  // While it ran, one that went without an error could have gone on, and its like may come.
  if (RecordOf(*job).state() != v1::WAITING && job->lost > 0) return false;
  std::vector<std::string> all;
  for (const auto& [id, refusal] : job->refused) {
    if (all.size() < 3) all.push_back(absl::StrCat(id, ": ", refusal.why));
  }
  const size_t more = job->refused.size() - all.size();
  End(job, edit, v1::FAILED,
      absl::StrCat("no worker can work on it: ", absl::StrJoin(all, "; "),
                   more > 0 ? absl::StrCat("; and ", more, " more") : ""));
  return true;
}

bool Coordinator::Fleet::ServersSuffice(Job* job) {
  const CopyServers servers = ServersForCopies();
  const auto heard = static_cast<uint64_t>(
      std::count_if(servers.begin(), servers.end(),
                    [](const auto& entry) { return entry.second.takes_copies; }));
  if (heard >= ServersWanted(FleetOf(RecordOf(*job)))) return true;
  if (heard == 0) {
    job->start_by = absl::InfiniteFuture();
    return false;
  }
  // The others may be about to register.
  if (job->start_by == absl::InfiniteFuture()) job->start_by = now_ + options_.lease;
  return now_ >= job->start_by;
}

absl::Status Coordinator::Fleet::AdvanceWaiting(Job* job) {
  RETURN_IF_ERROR(LetGo(job));
  Edit edit(&records_);
  TakeFacts(job, &edit);
  if (!FailIfStuck(job, &edit) && (job->is_bare || job->facts.has_value()) &&
      ServersSuffice(job)) {
    Start(job, &edit);
  }
  return Commit(&edit);
}

void Coordinator::Fleet::Start(Job* job, Edit* edit) {
  const state::JobRecord& before = RecordOf(*job);
  const v1::DatasetFacts facts = job->facts.value_or(v1::DatasetFacts());
  const auto parameters = ParametersOf(before.spec(), facts);
  if (!parameters.ok()) {
    return End(job, edit, v1::FAILED, std::string(parameters.status().message()));
  }
  const uint32_t servers = LayoutServers(before.spec().fleet());
  const std::vector<Partition> partitions =
      PartitionsOf(*parameters, servers, KeepsParametersWhole(before.spec().optimizer()));
  if (partitions.size() > options_.partitions_max) {
    return End(job, edit, v1::FAILED,
               absl::StrCat("its parameters make ", partitions.size(), " partitions; at most ",
                            options_.partitions_max, " are taken"));
  }
  const v1::FleetSpec fleet = FleetOf(before);
  if (partitions.size() * fleet.replicas() > options_.copies_max) {
    return End(job, edit, v1::FAILED,
               absl::StrCat("its parameters make ", partitions.size(), " partitions of ",
                            fleet.replicas(), " copies; at most ", options_.copies_max,
                            " copies are taken"));
  }
  std::vector<uint64_t> elements;
  for (const Partition& partition : partitions) elements.push_back(partition.elements);

  state::JobRecord* record = edit->job(job->number);
  if (!job->is_bare) *record->mutable_facts() = facts;
  record->set_state(v1::RUNNING);
  record->set_started_unix_s(UnixSeconds(now_));
  for (uint32_t p = 0; p < elements.size(); ++p) {
    record->add_placement()->set_partition(p);
    record->add_last_replica(0);
  }
  PlaceCopies(elements, record);
  // Those that come later start above the version, as they may not be waited for in vain.
  const uint64_t first = record->segment().first_version();
  for (const auto& [id, assigned] : job->assigned) {
    if (!assigned.ready) continue;
    v1::WorkerIdentity worker;
    worker.set_id(id);
    worker.set_incarnation(assigned.incarnation);
    AddMember(worker, first > 0 ? first + 1 : 0, record->mutable_roster());
  }
  edit->Then([this, number = job->number] {
    Job* job = FindJob(number);
    const state::JobRecord& record = RecordOf(*job);
    job->start_by = absl::InfiniteFuture();
    BuildWork(job);
    if (!record.has_start()) job->progress->Begin(now_);
    ChangeAll(*job);
    Mark(number);
    const int copies = record.placement().empty() ? 0 : record.placement(0).replicas_size();
    Emit(job->name, EventKind::kJobStarted, job->name,
         absl::StrCat("runs with ", record.roster().members_size(), " workers, ",
                      record.placement_size(), " partitions",
                      copies > 1 ? absl::StrCat(" in ", copies, " copies") : "", " on ",
                      absl::StrJoin(HoldersOf(record), ", ")));
  });
}

uint64_t Coordinator::Fleet::NextStartClock(const Job& job) const {
  const state::JobRecord& record = RecordOf(job);
  uint64_t largest = record.segment().first_version();
  for (const v1::RosterMember& member : record.roster().members()) {
    largest = std::max(largest, member.start_clock());
  }
  for (const auto& [id, assigned] : job.assigned) {
    largest = std::max(largest, assigned.report.clock());
  }
  return largest + 1;
}

void Coordinator::Fleet::JoinReady(Job* job, Edit* edit) {
  // The clocks of members not heard since this coordinator started are not known yet.
  const bool all_heard = std::all_of(job->assigned.begin(), job->assigned.end(),
                                     [](const auto& entry) { return entry.second.heard; });
  if (IsSsp(RecordOf(*job)) && !all_heard) return;
  for (const auto& [id, assigned] : job->assigned) {
    if (!assigned.ready || FindMember(RecordOf(*job).roster(), id) != nullptr) continue;
    v1::WorkerIdentity worker;
    worker.set_id(id);
    worker.set_incarnation(assigned.incarnation);
    AddMember(worker, NextStartClock(*job), edit->job(job->number)->mutable_roster());
    edit->Then([this, name = job->name, id = id] {
      Emit(name, EventKind::kRosterChanged, id, absl::StrCat(id, " joined"));
    });
  }
}

absl::Status Coordinator::Fleet::AdvanceRunning(Job* job) {
  const uint64_t number = job->number;
  absl::Status status = ChangeRunning(job);
  job = FindJob(number);
  if (job == nullptr || RecordOf(*job).state() != v1::RUNNING) return status;
  // What needs no write goes on whether or not there can be one.
  if (job->grants.has_value()) status.Update(GrantRounds(job));
  WakeLeases(job);
  status.Update(KeepCheckpoint(job));
  return status;
}

// What only comes with a write.
absl::Status Coordinator::Fleet::ChangeRunning(Job* job) {
  const uint64_t number = job->number;
  RETURN_IF_ERROR(KeepCopies(job));
  RETURN_IF_ERROR(LetGo(job));
  Edit edit(&records_);
  TakeFacts(job, &edit);
  if (FailIfStuck(job, &edit)) return Commit(&edit);
  JoinReady(job, &edit);
  bool is_cut = false;
  if (job->progress->Complete()) {
    if (job->shards.has_value()) job->shards->Update(job->progress->marks());
    FollowSpec(job, &edit);
    if (AllApplied(*job)) {
      edit.job(number)->set_state(v1::EVALUATING);
      edit.job(number)->clear_pending();
      edit.Then([this, number] {
        schedule_ = true;
        Mark(number);
        const std::string& name = records_.jobs().at(number).job();
        Emit(name, EventKind::kJobEvaluating, name, "all data shards are applied");
      });
    } else if (CutReached(*job)) {
      is_cut = true;
      StartSegment(job, &edit);
    } else if (IsSsp(RecordOf(*job))) {
      UpdateIdle(job, &edit);
    }
  }
  const bool changes = !edit.empty();
  RETURN_IF_ERROR(Commit(&edit));
  job = FindJob(number);
  if (job == nullptr) return absl::OkStatus();
  if (is_cut) BuildWork(job);
  if (changes) ChangeAll(*job);
  return absl::OkStatus();
}

absl::Status Coordinator::Fleet::AdvanceEvaluating(Job* job) {
  const uint64_t number = job->number;
  absl::Status status = ChangeEvaluating(job);
  job = FindJob(number);
  if (job == nullptr) return status;
  WakeLeases(job);
  status.Update(KeepCheckpoint(job));
  if (!job->evaluator.empty()) return status;
  for (const auto& [id, assigned] : job->assigned) {
    if (!assigned.ready) continue;
    job->evaluator = id;
    ChangeWorker(id);
    break;
  }
  return status;
}

absl::Status Coordinator::Fleet::ChangeEvaluating(Job* job) {
  const uint64_t number = job->number;
  RETURN_IF_ERROR(KeepCopies(job));
  Edit edit(&records_);
  TakeFacts(job, &edit);
  if (FailIfStuck(job, &edit)) return Commit(&edit);
  JoinReady(job, &edit);
  const bool changes = !edit.empty();
  RETURN_IF_ERROR(Commit(&edit));
  if (changes && FindJob(number) != nullptr) ChangeAll(*FindJob(number));
  return absl::OkStatus();
}

void Coordinator::Fleet::End(Job* job, Edit* edit, v1::JobState state, const std::string& reason,
                             const std::string& weights_sha256) {
  state::JobRecord* record = edit->job(job->number);
  if (HasEnded(record->state())) return;
  v1::JobStatus final_status = Describe(RecordOf(*job));
  for (v1::PartitionReport& report : *final_status.mutable_partitions()) {
    report.clear_applied();
    report.clear_waits();
  }
  for (v1::WorkerStatus& worker : *final_status.mutable_workers()) {
    worker.clear_lease_left_s();
    worker.set_state("done");
  }
  final_status.clear_spec();
  final_status.clear_roster();
  final_status.clear_placement();
  final_status.clear_evaluations();
  final_status.clear_pending_consistency();
  final_status.clear_straggler();
  final_status.clear_store_error();
  final_status.clear_checkpoints();
  final_status.set_weights_sha256(weights_sha256);
  if (final_status.wall_s() > 0) {
    const uint64_t before = std::min(RecordOf(*job).start().samples(), final_status.samples());
    final_status.set_samples_per_s(static_cast<double>(final_status.samples() - before) /
                                   final_status.wall_s());
  }
  *record->mutable_final_status() = std::move(final_status);
  record->set_state(state);
  record->set_reason(reason);
  record->set_ended_unix_s(UnixSeconds(now_));
  record->set_ended(++ended_);
  record->clear_pending();
  DropOrder(job, "the job has ended", edit);
  edit->Then([this, number = job->number, state, reason] { AfterEnd(number, state, reason); });
}

void Coordinator::Fleet::AfterEnd(uint64_t number, v1::JobState state, const std::string& reason) {
  Job& job = jobs_.at(number);
  ChangeAll(job);
  for (const auto& [worker, call] : job.lease_calls) {
    parked_.Take(call);
    Refuse(call, absl::FailedPreconditionError(absl::StrCat(job.name, " has ended: ", reason)));
  }
  for (const auto& [id, assigned] : job.assigned) {
    if (const auto it = workers_.find(id); it != workers_.end()) it->second.jobs.erase(number);
  }
  const EventKind kind = state == v1::FINISHED ? EventKind::kJobFinished
                         : state == v1::FAILED ? EventKind::kJobFailed
                                               : EventKind::kJobCancelled;
  Emit(job.name, kind, job.name, reason);
  jobs_.erase(number);
  for (const std::string& id : HoldersOf(records_.jobs().at(number))) TellDrained(id);
  schedule_ = true;
  drop_ = true;
}

}  // namespace paceline
