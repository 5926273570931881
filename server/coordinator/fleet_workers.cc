// Workers and library clients: their coming, their reports, their going, and who gets which job.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "server/coordinator/fleet.h"
#include "server/coordinator/request_check.h"
#include "server/coordinator/roster.h"
#include "server/coordinator/work.h"

namespace paceline {
namespace {

constexpr size_t kGoneKept = 64;
constexpr size_t kRefusalsKept = 1000;

absl::Status Unknown(const v1::WorkerIdentity& worker, uint64_t newest) {
  if (newest > worker.incarnation()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "incarnation ", worker.incarnation(), " of ", worker.id(),
        " has been replaced: a process that registered later (incarnation ", newest,
        ") uses the same id"));
  }
  return absl::FailedPreconditionError(absl::StrCat("incarnation ", worker.incarnation(), " of ",
                                                    worker.id(),
                                                    " has expired or left: register anew"));
}

}  // namespace

uint64_t Coordinator::Fleet::IncarnationOf(const std::string& worker) const {
  const auto it = records_.workers().find(worker);
  return it == records_.workers().end() ? 0 : it->second.worker().incarnation();
}

void Coordinator::Fleet::OnWorkerSync(absl::Time now, uint64_t call,
                                      const v1::WorkerSyncRequest& request) {
  Begin(now);
  Hear();
  const std::string& id = request.worker().id();
  if (request.leaving()) {
    absl::Status status = CheckId("worker.id", id);
    if (status.ok() && IncarnationOf(id) == request.worker().incarnation()) {
      status = LeaveWorker(id);
    }
    if (!status.ok()) return Refuse(call, status);
    v1::WorkerSyncReply reply;
    *reply.mutable_worker() = request.worker();
    Answer(call, std::move(reply));
    return Settle();
  }
  absl::Status status = CheckWorkerSync(request);
  if (status.ok()) status = CheckRelease(absl::StrCat("worker ", id), request.release(),
                                         options_.release);
  Edit evaluations(&records_);
  if (status.ok() && request.worker().incarnation() == 0) {
    status = RegisterWorker(request);
  } else if (status.ok() && IncarnationOf(id) != request.worker().incarnation()) {
    status = Unknown(request.worker(), IncarnationOf(id));
  } else if (status.ok()) {
    status = TakeEvaluations(request, &evaluations);
  }
  if (!status.ok()) {
    Refuse(call, status);
    return Settle();
  }
  const bool not_kept = !Commit(&evaluations).ok();
  Worker& worker = workers_.at(id);
  worker.evaluations_not_kept = not_kept;
  worker.last_sync = now_;
  if (!std::exchange(worker.heard, true)) schedule_ = true;
  worker_leases_.Renew(id, now_);
  TakeReports(request);
  // The process has asked anew: its earlier question needs no news.
  if (worker.parked.has_value()) {
    parked_.Take(*worker.parked);
    Answer(*worker.parked, WorkerReply(id, false));
    worker.parked.reset();
  }
  ParkedCall parked;
  parked.kind = ParkedCall::Kind::kWorkerSync;
  parked.who = id;
  parked.version = request.worker().incarnation() == 0 ? 0 : request.known_version();
  parked.deadline = now_ + options_.sync_interval;
  Park(call, std::move(parked));
  if (parked_.Find(call) != nullptr) worker.parked = call;
  changed_workers_.insert(id);
  Settle();
}

absl::Status Coordinator::Fleet::CheckJoin(const v1::WorkerSyncRequest& request) const {
  if (request.join_job().empty()) return absl::OkStatus();
  const state::JobRecord* record = FindRecord(request.join_job());
  if (record == nullptr) {
    return absl::NotFoundError(absl::StrCat("no job '", request.join_job(), "' on this fleet"));
  }
  if (record->spec().model().parameters_size() > 0) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("job ", request.join_job(),
                   " trains a model, which workers do; join_job wants one with bare parameters"));
}

absl::Status Coordinator::Fleet::RegisterWorker(const v1::WorkerSyncRequest& request) {
  RETURN_IF_ERROR(CheckJoin(request));
  const std::string id = request.worker().id();
  const bool is_replacing = workers_.count(id) > 0;
  if (!is_replacing && workers_.size() >= options_.workers_max) {
    return absl::ResourceExhaustedError(
        absl::StrCat("this fleet has ", workers_.size(), " workers, as many as it takes"));
  }
  if (is_replacing) {
    const state::WorkerRecord& holder = records_.workers().at(id);
    if (holder.host() != request.host() || holder.pid() != request.pid()) {
      return absl::AlreadyExistsError(
          absl::StrCat("the id ", id, " belongs to process ", holder.pid(), " on ", holder.host(),
                       " until its lease is over; another process wants an id of its own"));
    }
  }
  Edit edit(&records_);
  if (is_replacing) DetachWorker(&edit, id, "replaced");
  edit.coordinator()->set_incarnations(records_.coordinator().incarnations() + 1);
  const uint64_t incarnation = records_.coordinator().incarnations() + 1;
  state::WorkerRecord* record = edit.worker(id);
  record->Clear();
  record->mutable_worker()->set_id(id);
  record->mutable_worker()->set_incarnation(incarnation);
  record->set_host(request.host());
  record->set_pid(request.pid());
  record->set_release(request.release());
  record->set_slots(request.slots());
  record->set_join_job(request.join_job());
  const std::string join_job = request.join_job();
  const std::string host = request.host();
  edit.Then([this, id, incarnation, is_replacing, join_job, host] {
    Worker& worker = workers_[id];
    worker.last_sync = now_;
    worker.heard = true;
    worker.version = ++version_;
    schedule_ = true;
    worker_leases_.Renew(id, now_);
    Emit("", is_replacing ? EventKind::kWorkerReplaced : EventKind::kWorkerJoined, id,
         absl::StrCat(id, " registered as incarnation ", incarnation, " from ",
                      host.empty() ? "a host without name" : host,
                      is_replacing ? ", in place of an earlier process" : ""));
    if (join_job.empty()) return;
    const uint64_t number = number_of_.at(join_job);
    clients_[number].insert(id);
    if (Job* job = FindJob(number); job != nullptr) AssignTo(job, id);
  });
  return Commit(&edit);
}

void Coordinator::Fleet::AssignTo(Job* job, const std::string& id) {
  Assigned assigned;
  assigned.incarnation = IncarnationOf(id);
  assigned.ready = job->is_bare;
  assigned.heard = workers_.at(id).heard;
  assigned.report.set_job(job->name);
  job->assigned[id] = std::move(assigned);
  workers_.at(id).jobs.insert(job->number);
  ChangeWorker(id);
  Mark(job->number);
}

void Coordinator::Fleet::Unassign(Job* job, const std::string& id) {
  const auto it = job->assigned.find(id);
  if (it == job->assigned.end()) return;
  job->bytes_pushed += it->second.report.bytes_pushed();
  job->bytes_pulled += it->second.report.bytes_pulled();
  job->assigned.erase(it);
  job->pace.Forget(id);
  if (job->shards.has_value()) job->shards->Release(id);
  if (job->evaluator == id) job->evaluator.clear();
  if (const auto call = job->lease_calls.find(id); call != job->lease_calls.end()) {
    parked_.Take(call->second);
    Refuse(call->second,
           absl::FailedPreconditionError(absl::StrCat(id, " is no longer on the roster")));
    job->lease_calls.erase(call);
  }
  if (const auto worker = workers_.find(id); worker != workers_.end()) {
    worker->second.jobs.erase(job->number);
  }
  ChangeWorker(id);
  ChangeAll(*job);
  Mark(job->number);
  schedule_ = true;
}

void Coordinator::Fleet::DetachWorker(Edit* edit, const std::string& id, const std::string& how) {
  const uint64_t incarnation = IncarnationOf(id);
  for (const uint64_t number : workers_.at(id).jobs) {
    if (FindMember(records_.jobs().at(number).roster(), id) == nullptr) continue;
    RemoveMember(id, edit->job(number)->mutable_roster());
  }
  edit->RemoveWorker(id);
  edit->Then([this, id, how, incarnation, status = DescribeWorker(id)] {
    Worker& worker = workers_.at(id);
    gone_.push_back({status, how, now_, worker.jobs});
    while (gone_.size() > kGoneKept) gone_.pop_front();
    EndSync(&worker.parked, absl::FailedPreconditionError(absl::StrCat(
                                "incarnation ", incarnation, " of ", id, " was ", how)));
    for (const uint64_t number : std::set<uint64_t>(worker.jobs)) {
      Job* job = FindJob(number);
      if (job == nullptr) continue;
      const bool was_member = job->assigned.at(id).ready;
      ++job->lost;
      Unassign(job, id);
      if (was_member) {
        Emit(job->name, EventKind::kRosterChanged, id, absl::StrCat(id, " ", how));
      }
    }
    for (auto& [number, clients] : clients_) clients.erase(id);
    worker_leases_.End(id);
    workers_.erase(id);
    schedule_ = true;
  });
}

absl::Status Coordinator::Fleet::LeaveWorker(const std::string& id) {
  if (workers_.count(id) == 0) return absl::OkStatus();
  Edit edit(&records_);
  DetachWorker(&edit, id, "left");
  edit.Then([this, id] {
    Emit("", EventKind::kWorkerLeft, id, absl::StrCat(id, " left in good order"));
  });
  return Commit(&edit);
}

absl::Status Coordinator::Fleet::TakeEvaluations(const v1::WorkerSyncRequest& request,
                                                 Edit* edit) {
  const std::string& id = request.worker().id();
  for (const v1::WorkerJobReport& report : request.jobs()) {
    const auto number = number_of_.find(report.job());
    Job* job = number == number_of_.end() ? nullptr : FindJob(number->second);
    if (job == nullptr || job->assigned.count(id) == 0) continue;
    for (const v1::Evaluation& evaluation : report.evaluations()) {
      const Records::Evaluations& known = records_.evaluations(job->number);
      const auto same = known.find(evaluation.epoch());
      const bool is_end = evaluation.final() && RecordOf(*job).state() == v1::EVALUATING;
      if (evaluation.final() && !is_end) continue;
      if (!is_end && same != known.end()) {
        // What a job has gone back over is evaluated again.
        const bool is_new = RecordOf(*job).restores() > 0 &&
                            evaluation.SerializeAsString() != same->second.SerializeAsString();
        if (!is_new) continue;
      }
      if (same == known.end() && known.size() >= options_.evaluations_max) {
        return absl::ResourceExhaustedError(
            absl::StrCat("job ", job->name, " has ", known.size(), " evaluations already"));
      }
      edit->AddEvaluation(job->number, evaluation);
      edit->Then([this, name = job->name, id, evaluation] {
        Emit(name, EventKind::kJobEvaluated, id,
             absl::StrCat("after ", evaluation.epoch(), " epochs: loss ", evaluation.loss(),
                          " over ", evaluation.samples(), " samples"));
      });
      if (!is_end) continue;
      End(job, edit, v1::FINISHED, "all data shards are applied and the result is evaluated",
          evaluation.weights_sha256());
    }
  }
  return absl::OkStatus();
}

void Coordinator::Fleet::TakeReports(const v1::WorkerSyncRequest& request) {
  const std::string& id = request.worker().id();
  for (const v1::WorkerJobReport& report : request.jobs()) {
    const auto number = number_of_.find(report.job());
    Job* job = number == number_of_.end() ? nullptr : FindJob(number->second);
    if (job == nullptr) continue;
    const auto it = job->assigned.find(id);
    if (it == job->assigned.end()) continue;
    Assigned& assigned = it->second;
    if (!assigned.heard || !assigned.ready || !report.error().empty()) Mark(job->number);
    assigned.heard = true;
    job->pace.Report(now_, request.worker(), report);
    const v1::WorkerJobReport before = std::exchange(assigned.report, report);
    assigned.report.clear_evaluations();
    assigned.report.set_error(Clip(report.error(), 1000));
    // A report from before the worker knew of its rank may lag: clocks only grow.
    assigned.report.set_clock(std::max(report.clock(), before.clock()));
  }
  for (const uint64_t number : workers_.at(id).jobs) {
    Job* job = FindJob(number);
    if (job == nullptr || job->assigned.at(id).heard) continue;
    job->assigned.at(id).heard = true;
    Mark(number);
  }
}

bool Coordinator::Fleet::IsRefused(const Job& job, const std::string& id) const {
  const auto it = job.refused.find(id);
  return it != job.refused.end() && it->second.incarnation == IncarnationOf(id);
}

bool Coordinator::Fleet::HasCandidate(const Job& job) const {
  if (!job.assigned.empty()) return true;
  return std::any_of(records_.workers().begin(), records_.workers().end(), [&](const auto& entry) {
    return entry.second.slots() > 0 && !IsRefused(job, entry.first);
  });
}

void Coordinator::Fleet::Schedule() {
  std::set<std::pair<size_t, std::string>> free;  // By load, then id.
  for (const auto& [id, worker] : workers_) {
    const uint32_t slots = records_.workers().at(id).slots();
    if (worker.heard && worker.jobs.size() < slots) free.insert({worker.jobs.size(), id});
  }
  for (auto& [number, job] : jobs_) {
    if (job.is_bare) continue;
    const state::JobRecord& record = RecordOf(job);
    const bool is_ending = record.state() == v1::EVALUATING;
    const size_t wanted = is_ending ? 1 : FleetOf(record).workers();
    while (job.assigned.size() < wanted) {
      const auto it = std::find_if(free.begin(), free.end(), [&, &job = job](const auto& entry) {
        return !IsRefused(job, entry.second) && job.assigned.count(entry.second) == 0;
      });
      if (it == free.end()) break;
      const auto [load, id] = *it;
      free.erase(it);
      AssignTo(&job, id);
      if (load + 1 < records_.workers().at(id).slots()) free.insert({load + 1, id});
    }
    if (job.assigned.empty() && !job.refused.empty()) Mark(number);
  }
}

void Coordinator::Fleet::LeaveOut(Job* job, Edit* edit, const std::string& id,
                                  const std::string& why) {
  if (FindMember(RecordOf(*job).roster(), id) != nullptr) {
    RemoveMember(id, edit->job(job->number)->mutable_roster());
  }
  edit->Then([this, number = job->number, id, why] {
    Job* job = FindJob(number);
    if (job == nullptr) return;
    job->refused[id] = {IncarnationOf(id), why};
    if (job->refused.size() > kRefusalsKept) job->refused.erase(job->refused.begin());
    Unassign(job, id);
    Emit(job->name, EventKind::kWorkerRefused, id,
         absl::StrCat(id, " is left out of ", job->name, ": ", why));
  });
}

v1::WorkerSyncReply Coordinator::Fleet::WorkerReply(const std::string& id, bool changed) const {
  const Worker& worker = workers_.at(id);
  const state::WorkerRecord& known = records_.workers().at(id);
  v1::WorkerSyncReply reply;
  *reply.mutable_worker() = known.worker();
  reply.set_version(worker.version);
  reply.set_changed(changed);
  reply.set_sync_interval_ms(
      static_cast<uint32_t>(absl::ToInt64Milliseconds(options_.sync_interval)));
  reply.set_lease_ms(static_cast<uint32_t>(absl::ToInt64Milliseconds(options_.lease)));
  reply.set_evaluations_not_kept(worker.evaluations_not_kept);
  if (!changed) return reply;
  std::set<uint64_t> jobs = worker.jobs;
  const auto joined = number_of_.find(known.join_job());
  if (joined != number_of_.end()) jobs.insert(joined->second);
  for (const uint64_t number : jobs) {
    const auto live = jobs_.find(number);
    v1::JobDirective* directive = reply.add_jobs();
    FillDirective(records_.jobs().at(number), directive);
    if (live == jobs_.end()) continue;
    if (live->second.grants.has_value()) {
      directive->set_granted_rounds(live->second.grants->granted());
    }
    directive->set_evaluate(directive->state() == v1::EVALUATING && live->second.evaluator == id);
  }
  return reply;
}

}  // namespace paceline
