// Rounds and runs: what may be begun, who computes it, when a segment ends.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/job/job_spec.h"
#include "common/job/job_work.h"
#include "common/job/parameters.h"
#include "common/job/partitioning.h"
#include "server/coordinator/fleet.h"
#include "server/coordinator/pace.h"
#include "server/coordinator/request_check.h"
#include "server/coordinator/roster.h"
#include "server/coordinator/work.h"

namespace paceline {
namespace {

// A worker that holds runs for so long and asks again may never have heard of them.
constexpr absl::Duration kHeldLong = absl::Seconds(1);

// Data shards before run `run` of the segment.
uint64_t ShardsBefore(const WorkPlan& plan, uint64_t run, uint64_t total) {
  return run == plan.size() ? total : plan.At(run).first_ordinal;
}

}  // namespace

void Coordinator::Fleet::BuildWork(Job* job) {
  const state::JobRecord& record = RecordOf(*job);
  const WorkPlan plan = PlanOf(record);
  job->shards.reset();
  job->grants.reset();
  job->reservation = Reservation();
  if (job->progress == nullptr) {
    job->progress = std::make_unique<Progress>(static_cast<size_t>(record.placement_size()));
    // It was cut so when the job started; the spec and the facts have not changed since.
    const auto parameters = ParametersOf(record.spec(), record.facts());
    job->elements.assign(static_cast<size_t>(record.placement_size()), 0);
    if (parameters.ok()) {
      const auto partitions = PartitionsOf(*parameters, LayoutServers(record.spec().fleet()),
                                           KeepsParametersWhole(record.spec().optimizer()));
      for (size_t p = 0; p < std::min(partitions.size(), job->elements.size()); ++p) {
        job->elements[p] = partitions[p].elements;
      }
    }
  }
  if (HasRounds(record.segment().consistency())) {
    job->grants.emplace(record.granted_below(), plan.size());
  } else if (!job->is_bare) {
    job->shards.emplace(plan, record.granted_below());
    if (record.has_pending()) job->shards->SetLimit(record.cut());
    if (job->progress->Complete()) job->shards->Update(job->progress->marks());
  }
}

bool Coordinator::Fleet::AllApplied(const Job& job) const {
  if (job.is_bare) return false;
  return job.progress->AppliedBelow() >= TotalShards(RecordOf(job));
}

bool Coordinator::Fleet::CutReached(const Job& job) const {
  const state::JobRecord& record = RecordOf(job);
  if (!record.has_pending()) return false;
  const v1::Segment& segment = record.segment();
  if (job.progress->Version() < segment.first_version() + record.cut()) return false;
  if (job.is_bare) return true;
  return job.progress->AppliedBelow() >=
         ShardsBefore(PlanOf(record), record.cut(), TotalShards(record));
}

void Coordinator::Fleet::StartSegment(Job* job, Edit* edit) {
  const state::JobRecord before = RecordOf(*job);
  if (!job->progress->VersionsEqual()) {
    return End(job, edit, v1::FAILED,
               absl::StrCat("its partitions have applied the same work but differ in version: ",
                            job->progress->reports()[0].version(), " in partition 0, at least ",
                            job->progress->Version(), " elsewhere"));
  }
  state::JobRecord* record = edit->job(job->number);
  v1::Segment* segment = record->mutable_segment();
  segment->set_index(before.segment().index() + 1);
  *segment->mutable_consistency() = before.pending();
  segment->set_first_version(job->progress->Version());
  segment->set_first_shard(ShardsBefore(PlanOf(before), before.cut(), TotalShards(before)));
  record->set_mode_changed(true);
  record->clear_pending();
  record->set_cut(0);
  record->set_granted_below(0);
  StartAll(std::max(NextStartClock(*job), segment->first_version() + 1), record->mutable_roster());
  edit->Then([this, name = job->name, index = segment->index(), first = segment->first_shard(),
              version = segment->first_version()] {
    Emit(name, EventKind::kSegmentStarted, name,
         absl::StrCat("segment ", index, " begins at data shard ", first, ", version ", version));
  });
}

absl::Status Coordinator::Fleet::GrantRounds(Job* job) {
  const state::JobRecord& record = RecordOf(*job);
  if (record.has_pending() || !OrderHeard(*job)) return absl::OkStatus();
  const uint64_t first = record.segment().first_version();
  const uint64_t version = std::max(job->progress->Version(), first);
  const uint64_t target = job->grants->Target(version - first);
  if (target == job->grants->granted()) return absl::OkStatus();
  const absl::Status status = Reserve(job, target, PlanOf(record).size());
  // What was reserved before may be granted all the same.
  const uint64_t granted = std::min(target, record.granted_below());
  if (granted <= job->grants->granted()) return status;
  job->grants->Grant(granted);
  ChangeWorkers(*job);
  return status;
}

absl::Status Coordinator::Fleet::Reserve(Job* job, uint64_t granted, uint64_t size) {
  job->reservation.OnGrant(now_, granted);
  Edit edit(&records_);
  const auto next = job->reservation.Next(granted, RecordOf(*job).granted_below(), size);
  if (next.has_value()) edit.job(job->number)->set_granted_below(*next);
  return Commit(&edit);
}

void Coordinator::Fleet::UpdateIdle(Job* job, Edit* edit) {
  if (!job->shards.has_value()) return;
  for (const v1::RosterMember& member : RecordOf(*job).roster().members()) {
    const std::string& id = member.worker().id();
    if (member.idle() || !job->shards->NoneLeft(id)) continue;
    // It may be leaving in this very edit.
    v1::Roster* roster = edit->job(job->number)->mutable_roster();
    if (FindMember(*roster, id) != nullptr) SetIdle(id, roster);
  }
}

void Coordinator::Fleet::OnLeaseRuns(absl::Time now, uint64_t call,
                                     const v1::LeaseRequest& request) {
  Begin(now);
  const state::JobRecord* record = FindRecord(request.job());
  if (record == nullptr) {
    return Refuse(call, absl::NotFoundError(absl::StrCat("no job '", Clip(request.job(), 64),
                                                         "' on this fleet")));
  }
  if (request.want() < 1 || request.want() > 64) {
    return Refuse(call, absl::InvalidArgumentError(
                            absl::StrCat("want is ", request.want(), "; wanted 1..64")));
  }
  const v1::RosterMember* member = FindMember(record->roster(), request.worker().id());
  if (member == nullptr || member->worker().incarnation() != request.worker().incarnation()) {
    return Refuse(call, absl::FailedPreconditionError(absl::StrCat(
                            "incarnation ", request.worker().incarnation(), " of ",
                            Clip(request.worker().id(), 64), " is not on the roster of ",
                            request.job())));
  }
  ParkedCall parked;
  parked.kind = ParkedCall::Kind::kLease;
  parked.who = request.worker().id();
  parked.job = record->number();
  parked.segment = request.segment();
  parked.want = request.want();
  parked.deadline = now_ + options_.sync_interval;
  if (Job* job = FindJob(record->number()); job != nullptr) {
    // The worker has asked anew: its earlier question may have been lost.
    if (const auto old = job->lease_calls.find(parked.who); old != job->lease_calls.end()) {
      parked_.Take(old->second);
      Answer(old->second, v1::LeaseReply());
      job->lease_calls.erase(old);
    }
  }
  TryLease(call, parked, false);
  Settle();
}

void Coordinator::Fleet::TryLease(uint64_t call, const ParkedCall& parked, bool is_last) {
  Job* job = FindJob(parked.job);
  const std::string& worker = parked.who;
  if (job == nullptr) {
    return Refuse(call, absl::FailedPreconditionError("the job has ended"));
  }
  const state::JobRecord& record = RecordOf(*job);
  const v1::RosterMember* member = FindMember(record.roster(), worker);
  if (member == nullptr) {
    return Refuse(call, absl::FailedPreconditionError(
                            absl::StrCat(worker, " is no longer on the roster of ", job->name)));
  }
  if (parked.segment != record.segment().index()) {
    return Refuse(call, absl::FailedPreconditionError(absl::StrCat(
                            "segment is ", parked.segment, "; ", job->name, " is in segment ",
                            record.segment().index())));
  }
  if (!job->shards.has_value()) {
    return Refuse(call, absl::FailedPreconditionError(absl::StrCat(
                            job->name, " has no runs to lease: it is ",
                            job->is_bare ? "a job with bare parameters" : "working in rounds")));
  }
  v1::LeaseReply reply;
  reply.set_start_clock(member->start_clock());
  const std::vector<uint64_t> runs =
      GrantRuns(job, worker, job->shards->Choose(worker, parked.want, now_ - kHeldLong));
  if (!runs.empty()) {
    for (const uint64_t run : runs) reply.add_runs(run);
    member = FindMember(record.roster(), worker);
    reply.set_start_clock(member->start_clock());
    reply.set_runs_per_clock(RunsPerClockOf(*job, worker));
    return Answer(call, std::move(reply));
  }
  if (record.state() == v1::EVALUATING || job->shards->NoneLeft(worker)) {
    reply.set_none_left(true);
    return Answer(call, std::move(reply));
  }
  if (is_last) return Answer(call, std::move(reply));
  Park(call, parked);
  if (parked_.Find(call) != nullptr) job->lease_calls[worker] = call;
}

uint32_t Coordinator::Fleet::RunsPerClockOf(const Job& job, const std::string& worker) const {
  std::vector<const v1::WorkerJobReport*> all;
  for (const v1::RosterMember& member : RecordOf(job).roster().members()) {
    const auto assigned = job.assigned.find(member.worker().id());
    if (assigned != job.assigned.end() && !member.idle()) all.push_back(&assigned->second.report);
  }
  const auto mine = job.assigned.find(worker);
  return mine == job.assigned.end() ? 1 : RunsPerClock(mine->second.report, all);
}

std::vector<uint64_t> Coordinator::Fleet::GrantRuns(Job* job, const std::string& worker,
                                                    std::vector<uint64_t> runs) {
  if (runs.empty()) return runs;
  const state::JobRecord& record = RecordOf(*job);
  if (FindMember(record.roster(), worker)->idle()) {
    Edit edit(&records_);
    SetBusy(worker, NextStartClock(*job), edit.job(job->number)->mutable_roster());
    if (!Commit(&edit).ok()) {
      retry_jobs_.insert(job->number);
      return {};
    }
    ChangeAll(*job);
  }
  const uint64_t end = std::max(runs.back() + 1, job->shards->next());
  if (!Reserve(job, end, job->shards->limit()).ok()) {
    retry_jobs_.insert(job->number);
    // What was reserved before may be granted all the same.
    runs.erase(std::lower_bound(runs.begin(), runs.end(), record.granted_below()), runs.end());
  }
  job->shards->Grant(worker, runs, now_);
  return runs;
}

void Coordinator::Fleet::WakeLeases(Job* job) {
  const std::map<std::string, uint64_t> calls = std::exchange(job->lease_calls, {});
  for (const auto& [worker, call] : calls) {
    const std::optional<ParkedCall> parked = parked_.Take(call);
    if (parked.has_value()) TryLease(call, *parked, false);
  }
}

void Coordinator::Fleet::OnSetConsistency(absl::Time now, uint64_t call,
                                          const v1::SetConsistencyRequest& request) {
  Begin(now);
  const state::JobRecord* record = FindRecord(request.job());
  if (record == nullptr) {
    return Refuse(call, absl::NotFoundError(absl::StrCat("no job '", Clip(request.job(), 64),
                                                         "' on this fleet")));
  }
  v1::JobSpec spec = record->spec();
  *spec.mutable_fleet() = FleetOf(*record);
  *spec.mutable_consistency() = request.consistency();
  if (const absl::Status status = ResolveJobSpec(&spec); !status.ok()) return Refuse(call, status);
  const v1::ConsistencySpec wanted = spec.consistency();
  Job* job = FindJob(record->number());
  if (job == nullptr || record->state() == v1::EVALUATING) {
    return Refuse(call, absl::FailedPreconditionError(absl::StrCat(
                            record->job(), " is ", v1::JobState_Name(record->state()),
                            ": no work is left to do under another mode")));
  }
  v1::SetConsistencyReply reply;
  const uint32_t index = record->segment().index();
  reply.set_segment(index);
  Edit edit(&records_);
  if (record->has_pending()) {
    if (!SameMode(record->pending(), wanted)) {
      return Refuse(call, absl::FailedPreconditionError(absl::StrCat(
                              "another change of mode is under way; it takes effect at run ",
                              record->cut(), " of segment ", index)));
    }
    reply.set_segment(index + 1);  // A repetition.
  } else if (SameMode(record->segment().consistency(), wanted)) {
    // Nothing to change, or a repetition of a call that has taken effect.
  } else if (record->state() == v1::WAITING && record->has_start()) {
    return Refuse(call, absl::FailedPreconditionError(absl::StrCat(
                            record->job(), " begins from a checkpoint, in the mode that it was "
                                           "taken in; its mode can be changed once it runs")));
  } else if (record->state() == v1::WAITING) {
    *edit.job(job->number)->mutable_segment()->mutable_consistency() = wanted;
  } else {
    if (job->is_bare && !job->grants.has_value()) {
      return Refuse(call,
                    absl::FailedPreconditionError(
                        "a job with bare parameters grants neither rounds nor runs, so there is "
                        "no cut at which its mode could change"));
    }
    // Where a job stands that goes on from a checkpoint only its partitions know.
    if (record->restoring() || (record->has_origin() && !job->progress->Complete())) {
      return Refuse(call, absl::UnavailableError(absl::StrCat(
                              record->job(), " goes on from a checkpoint and waits for the first "
                                             "report of every partition; ask again")));
    }
    const uint64_t cut = job->grants.has_value() ? job->grants->granted() : job->shards->next();
    if (cut >= PlanOf(*record).size()) {
      return Refuse(call, absl::FailedPreconditionError(absl::StrCat(
                              "all work of ", record->job(), " is granted under the present mode")));
    }
    reply.set_segment(index + 1);
    *edit.job(job->number)->mutable_pending() = wanted;
    edit.job(job->number)->set_cut(cut);
    edit.job(job->number)->set_granted_below(cut);
    edit.Then([this, number = job->number, cut, index] {
      Job* job = FindJob(number);
      if (job->shards.has_value()) job->shards->SetLimit(cut);
      Mark(number);
      Emit(job->name, EventKind::kModeChangeRequested, job->name,
           absl::StrCat("takes effect when all work below run ", cut, " of segment ", index,
                        " is applied"));
    });
  }
  const uint64_t number = job->number;
  const bool changes = !edit.empty();
  if (const absl::Status status = Commit(&edit); !status.ok()) return Refuse(call, status);
  if (changes) ChangeWorkers(*FindJob(number));
  Answer(call, std::move(reply));
  Settle();
}

}  // namespace paceline
