// Answers, marks, and the loop that carries everything on.
#include "server/coordinator/fleet.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/job/job_state.h"
#include "server/coordinator/roster.h"
#include "server/coordinator/work.h"

namespace paceline {
namespace {

// Directive versions and event numbers of one life are above those of the lives before.
uint64_t FirstOfLife(uint64_t lives) { return lives << 32; }

constexpr size_t kEventsPerReply = 1000;

// Removed in one transaction: etcd takes about 16,000 of them.
constexpr size_t kEvaluationsAtOnce = 4000;

}  // namespace

Coordinator::Fleet::Fleet(CoordinatorOptions options, Records records, absl::Time now)
    : options_(std::move(options)),
      records_(std::move(records)),
      events_(FirstOfLife(records_.coordinator().lives()) + 1, options_.events_kept),
      now_(now),
      version_(FirstOfLife(records_.coordinator().lives())),
      worker_leases_(options_.lease),
      server_leases_(options_.lease),
      heard_at_(now) {
  for (const auto& [id, record] : records_.workers()) {
    workers_[id].last_sync = now;
    workers_[id].version = ++version_;
    worker_leases_.Renew(id, now);
  }
  for (const auto& [id, record] : records_.servers()) {
    servers_[id].last_sync = now;
    servers_[id].version = ++version_;
    server_leases_.Renew(id, now);
  }
  for (const auto& [number, record] : records_.jobs()) {
    number_of_[record.job()] = number;
    submission_[record.submission_id()] = number;
    ended_ = std::max(ended_, record.ended());
    if (HasEnded(record.state())) continue;
    Job& job = jobs_[number];
    job.number = number;
    job.name = record.job();
    job.is_bare = record.spec().model().parameters_size() > 0;
    for (const v1::RosterMember& member : record.roster().members()) {
      job.assigned[member.worker().id()] = {member.worker().incarnation(), true, false, {}};
      workers_[member.worker().id()].jobs.insert(number);
    }
    if (record.state() != v1::WAITING) BuildWork(&job);
    BuildOrder(&job, FirstOfLife(records_.coordinator().lives()));
    Mark(number);
  }
  for (const auto& [id, record] : records_.workers()) {
    const auto it = number_of_.find(record.join_job());
    if (it == number_of_.end()) continue;
    clients_[it->second].insert(id);
    if (Job* job = FindJob(it->second); job != nullptr && job->assigned.count(id) == 0) {
      AssignTo(job, id);
    }
  }
  Emit("", EventKind::kCoordinatorStarted, "coordinator",
       absl::StrCat("release ", options_.release, "; ", jobs_.size(), " jobs to carry on, ",
                    workers_.size(), " workers and ", servers_.size(), " servers known"));
  Settle();
}

void Coordinator::Fleet::Refuse(uint64_t call, absl::Status status) {
  replies_.push_back({call, std::move(status), {}});
}

void Coordinator::Fleet::Begin(absl::Time now) {
  // Who was stopped itself has heard nobody meanwhile: everyone has one full lease.
  const bool was_stopped = now > NextTick() + options_.sync_interval;
  now_ = std::max(now_, now);
  // Known before anything has to be written: nothing else would tell people of it.
  const absl::Status health = records_.health();
  if (!health.ok() && (store_status_.ok() || now_ >= retry_at_)) NoteStore(health);
  was_store_silent_ |= !health.ok();
  if (was_stopped) RenewAll();
}

void Coordinator::Fleet::Hear() {
  heard_at_ = now_;
  if (std::exchange(is_cut_off_, false)) RenewAll();
}

void Coordinator::Fleet::RenewAll() {
  for (const auto& [id, worker] : workers_) worker_leases_.Renew(id, now_);
  for (const auto& [id, server] : servers_) server_leases_.Renew(id, now_);
}

void Coordinator::Fleet::Emit(absl::string_view job, EventKind kind, absl::string_view subject,
                              absl::string_view message) {
  const v1::Event event = events_.Append(now_, job, kind, subject, message);
  if (options_.on_event) options_.on_event(event);
  has_events_ = true;
}

absl::Status Coordinator::Fleet::Commit(Edit* edit) {
  const bool writes = !edit->empty();
  if (writes && !store_status_.ok() && now_ < retry_at_) return store_status_;
  const absl::Status status = edit->Commit();
  if (writes) NoteStore(status);
  return status;
}

void Coordinator::Fleet::NoteStore(const absl::Status& status) {
  has_written_ = status.ok();
  if (status.ok()) return;
  if (store_status_.ok()) {
    store_lost_ = now_;
    Emit("", EventKind::kStoreFailed, "store", status.message());
  }
  store_status_ = status;
  retry_at_ = now_ + options_.sync_interval;
}

void Coordinator::Fleet::EndRetry() {
  if (now_ < retry_at_) return;  // It failed again.
  if (!has_written_) {
    // What is there already, written again, tells as well.
    Edit edit(&records_);
    edit.coordinator();
    if (!Commit(&edit).ok()) return;
  }
  store_status_ = absl::OkStatus();
  retry_at_ = absl::InfiniteFuture();
  Emit("", EventKind::kStoreRecovered, "store",
       absl::StrCat("writes again after ", absl::FormatDuration(now_ - store_lost_)));
}

void Coordinator::Fleet::OnCancel(uint64_t call) {
  const std::optional<ParkedCall> parked = parked_.Take(call);
  if (!parked.has_value()) return;
  if (parked->kind == ParkedCall::Kind::kWorkerSync) workers_.at(parked->who).parked.reset();
  if (parked->kind == ParkedCall::Kind::kServerSync) {
    Server& server = servers_.at(parked->who);
    server.parked.reset();
    server.suspected = true;
    // Where nothing could take over, a wait costs less than the state.
    if (!HoldsAlone(parked->who)) {
      server_leases_.Shorten(parked->who, now_ + options_.suspect_lease);
    }
  }
  if (parked->kind != ParkedCall::Kind::kLease) return;
  if (Job* job = FindJob(parked->job); job != nullptr) job->lease_calls.erase(parked->who);
}

void Coordinator::Fleet::EndSync(std::optional<uint64_t>* parked, const absl::Status& status) {
  if (!parked->has_value()) return;
  parked_.Take(**parked);
  Refuse(**parked, status);
  parked->reset();
}

void Coordinator::Fleet::ChangeWorker(const std::string& id) {
  const auto it = workers_.find(id);
  if (it == workers_.end()) return;
  it->second.version = ++version_;
  changed_workers_.insert(id);
}

void Coordinator::Fleet::ChangeServer(const std::string& id) {
  const auto it = servers_.find(id);
  if (it == servers_.end()) return;
  it->second.version = ++version_;
  changed_servers_.insert(id);
}

void Coordinator::Fleet::ChangeWorkers(const Job& job) {
  for (const auto& [id, assigned] : job.assigned) ChangeWorker(id);
  const auto clients = clients_.find(job.number);
  if (clients == clients_.end()) return;
  for (const std::string& id : clients->second) ChangeWorker(id);
}

void Coordinator::Fleet::ChangeHolders(const state::JobRecord& record) {
  for (const std::string& id : HoldersOf(record)) ChangeServer(id);
}

void Coordinator::Fleet::ChangeAll(const Job& job) {
  ChangeWorkers(job);
  ChangeHolders(RecordOf(job));
}

const state::JobRecord* Coordinator::Fleet::FindRecord(const std::string& name) const {
  const auto it = number_of_.find(name);
  return it == number_of_.end() ? nullptr : &records_.jobs().at(it->second);
}

Coordinator::Fleet::Job* Coordinator::Fleet::FindJob(uint64_t number) {
  const auto it = jobs_.find(number);
  return it == jobs_.end() ? nullptr : &it->second;
}

void Coordinator::Fleet::Park(uint64_t call, ParkedCall parked) {
  if (parked_.size() >= options_.calls_max) {
    return Refuse(call, absl::ResourceExhaustedError(absl::StrCat(
                            "coordinator: ", parked_.size(), " calls wait already; back off")));
  }
  parked_.Park(call, std::move(parked));
}

void Coordinator::Fleet::Settle() {
  const bool retries = !store_status_.ok() && now_ >= retry_at_;
  if (retries) {
    marked_jobs_.insert(retry_jobs_.begin(), retry_jobs_.end());
    retry_jobs_.clear();
    drop_ = true;
  }
  // Who was not heard meanwhile may only have been kept from finding this coordinator.
  if (retries && was_store_silent_ && records_.health().ok()) {
    was_store_silent_ = false;
    RenewAll();
  }
  if (store_status_.ok() || retries) ExpireLeases().IgnoreError();  // Tried again, as jobs are.
  CarryOn();
  if (retries) EndRetry();
  AnswerChanged();
  if (std::exchange(has_events_, false)) AnswerEvents();
}

void Coordinator::Fleet::CarryOn() {
  while (schedule_ || drop_ || !marked_jobs_.empty()) {
    if (std::exchange(drop_, false)) {
      DropEnded().IgnoreError();
    }
    if (std::exchange(schedule_, false)) Schedule();
    if (marked_jobs_.empty()) continue;
    const uint64_t number = *marked_jobs_.begin();
    marked_jobs_.erase(marked_jobs_.begin());
    Job* job = FindJob(number);
    if (job == nullptr) continue;
    if (!Advance(job).ok()) retry_jobs_.insert(number);
  }
}

void Coordinator::Fleet::AnswerChanged() {
  for (const std::string& id : std::exchange(changed_workers_, {})) {
    const auto it = workers_.find(id);
    if (it == workers_.end()) continue;
    if (!it->second.parked.has_value()) continue;
    const uint64_t call = *it->second.parked;
    if (parked_.Find(call)->version == it->second.version) continue;
    it->second.parked.reset();
    parked_.Take(call);
    Answer(call, WorkerReply(id, true));
  }
  for (const std::string& id : std::exchange(changed_servers_, {})) {
    const auto it = servers_.find(id);
    if (it == servers_.end()) continue;
    if (!it->second.parked.has_value()) continue;
    const uint64_t call = *it->second.parked;
    if (parked_.Find(call)->version == it->second.version) continue;
    it->second.parked.reset();
    parked_.Take(call);
    Answer(call, ServerReply(id, true));
  }
}

void Coordinator::Fleet::AnswerEvents() {
  for (const uint64_t call : parked_.Of(ParkedCall::Kind::kEvents)) {
    const ParkedCall* parked = parked_.Find(call);
    const auto events = events_.After(parked->job_name, parked->version, kEventsPerReply);
    if (events.empty()) continue;
    v1::ListEventsReply reply;
    for (const v1::Event& event : events) *reply.add_events() = event;
    parked_.Take(call);
    Answer(call, std::move(reply));
  }
}

void Coordinator::Fleet::AnswerDue() {
  for (const uint64_t call : parked_.Due(now_)) {
    const std::optional<ParkedCall> parked = parked_.Take(call);
    switch (parked->kind) {
      case ParkedCall::Kind::kWorkerSync:
        workers_.at(parked->who).parked.reset();
        Answer(call, WorkerReply(parked->who, false));
        break;
      case ParkedCall::Kind::kServerSync:
        servers_.at(parked->who).parked.reset();
        Answer(call, ServerReply(parked->who, false));
        break;
      case ParkedCall::Kind::kLease:
        if (Job* job = FindJob(parked->job); job != nullptr) job->lease_calls.erase(parked->who);
        TryLease(call, *parked, true);
        break;
      case ParkedCall::Kind::kEvents:
        Answer(call, v1::ListEventsReply());
        break;
    }
  }
}

bool Coordinator::Fleet::HearsNobody() const {
  const size_t others = workers_.size() + servers_.size() - servers_.count(options_.own_server);
  // One that is silent is more likely gone itself.
  if (others < 2) return false;
  if (now_ - heard_at_ < (options_.lease + options_.sync_interval) / 2) return false;
  return std::none_of(servers_.begin(), servers_.end(),
                      [](const auto& entry) { return entry.second.suspected; });
}

absl::Status Coordinator::Fleet::ExpireLeases() {
  if (now_ < std::min(worker_leases_.Next(), server_leases_.Next())) return absl::OkStatus();
  is_cut_off_ = HearsNobody();
  if (is_cut_off_) return absl::OkStatus();
  Edit edit(&records_);
  std::map<std::string, std::string> lost;
  // Others may have fallen silent since its connection broke.
  for (const std::string& id : server_leases_.Expired(now_)) {
    if (HoldsAlone(id)) server_leases_.Unshorten(id);
  }
  for (const std::string& id : server_leases_.Expired(now_)) {
    const Server& server = servers_.at(id);
    lost[id] = absl::StrCat("server ", id, " expired: ",
                            server.suspected ? "its connection broke and " : "", "no sync for ",
                            absl::FormatDuration(now_ - server.last_sync));
  }
  if (!lost.empty()) DetachServers(&edit, lost);
  for (const auto& [id, why] : lost) {
    edit.Then([this, id = id, why = why] { Emit("", EventKind::kServerExpired, id, why); });
  }
  for (const std::string& id : worker_leases_.Expired(now_)) {
    const absl::Duration silence = now_ - workers_.at(id).last_sync;
    DetachWorker(&edit, id, "expired");
    edit.Then([this, id, silence] {
      Emit("", EventKind::kWorkerExpired, id,
           absl::StrCat(id, " expired: no sync for ", absl::FormatDuration(silence)));
    });
  }
  return Commit(&edit);
}

absl::Status Coordinator::Fleet::DropEnded() {
  std::map<uint64_t, uint64_t> by_end;
  for (const auto& [number, record] : records_.jobs()) {
    if (record.ended() > 0) by_end[record.ended()] = number;
  }
  for (auto it = by_end.begin(); by_end.size() > options_.ended_jobs_kept; it = by_end.erase(it)) {
    const state::JobRecord record = records_.jobs().at(it->second);
    RETURN_IF_ERROR(DropEvaluations(record.number()));
    Edit edit(&records_);
    edit.RemoveJob(record.number());
    edit.Then([this, record] {
      number_of_.erase(record.job());
      submission_.erase(record.submission_id());
      ChangeHolders(record);
      for (const std::string& id : clients_[record.number()]) ChangeWorker(id);
      clients_.erase(record.number());
      Emit(record.job(), EventKind::kJobDropped, record.job(),
           absl::StrCat("only the newest ", options_.ended_jobs_kept, " ended jobs are kept"));
    });
    RETURN_IF_ERROR(Commit(&edit));
  }
  return absl::OkStatus();
}

// All but the few that go with their job's record: a store takes only so much at once.
absl::Status Coordinator::Fleet::DropEvaluations(uint64_t job) {
  while (records_.evaluations(job).size() > kEvaluationsAtOnce) {
    Edit edit(&records_);
    size_t count = 0;
    for (const auto& [epoch, evaluation] : records_.evaluations(job)) {
      if (++count > kEvaluationsAtOnce) break;
      edit.RemoveEvaluation(job, epoch);
    }
    RETURN_IF_ERROR(Commit(&edit));
  }
  return absl::OkStatus();
}

void Coordinator::Fleet::OnTick(absl::Time now) {
  Begin(now);
  for (auto& [number, job] : jobs_) {
    if (job.start_by <= now_) Mark(number);
  }
  Settle();
  AnswerDue();
  Settle();
}

absl::Time Coordinator::Fleet::NextTick() const {
  absl::Time next = std::min(parked_.Next(), retry_at_);
  if (store_status_.ok() && !is_cut_off_) {
    next = std::min({next, worker_leases_.Next(), server_leases_.Next()});
  }
  for (const auto& [number, job] : jobs_) {
    if (job.start_by > now_) next = std::min(next, job.start_by);
  }
  // So often that it is noticed if none comes: Begin.
  const bool is_alone = workers_.empty() && servers_.empty();
  return is_alone ? next : std::min(next, now_ + options_.sync_interval);
}

void Coordinator::Fleet::OnListEvents(absl::Time now, uint64_t call,
                                      const v1::ListEventsRequest& request) {
  Begin(now);
  if (request.wait_ms() > 60000) {
    return Refuse(call, absl::InvalidArgumentError(absl::StrCat(
                            "wait_ms is ", request.wait_ms(), "; wanted 0..60000")));
  }
  v1::ListEventsReply reply;
  for (v1::Event& event : events_.After(request.job(), request.after(), kEventsPerReply)) {
    *reply.add_events() = std::move(event);
  }
  if (reply.events_size() > 0 || request.wait_ms() == 0) return Answer(call, std::move(reply));
  ParkedCall parked;
  parked.kind = ParkedCall::Kind::kEvents;
  parked.job_name = request.job();
  parked.version = request.after();
  parked.deadline = now_ + absl::Milliseconds(request.wait_ms());
  Park(call, std::move(parked));
}

}  // namespace paceline
