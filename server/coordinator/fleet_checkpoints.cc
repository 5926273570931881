// Checkpoints: orders to write one, and the way back to one.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/status_macros.h"
#include "common/job/job_spec.h"
#include "common/job/parameters.h"
#include "server/coordinator/checkpoints.h"
#include "server/coordinator/fleet.h"
#include "server/coordinator/placement.h"
#include "server/coordinator/request_check.h"
#include "server/coordinator/roster.h"
#include "server/coordinator/work.h"

namespace paceline {
namespace {

constexpr uint32_t kKeepDefault = 3;
constexpr size_t kReasonBytesMax = 2000;

uint32_t KeepOf(const state::JobRecord& record) {
  const v1::CheckpointSpec& spec = record.spec().checkpoint();
  return spec.has_keep() ? spec.keep() : kKeepDefault;
}

// "checkpoint 3 (version 120)".
std::string Show(const state::CheckpointRecord& checkpoint) {
  const uint64_t version = checkpoint.status().version();
  return absl::StrCat(NameOf(checkpoint),
                      version > 0 ? absl::StrCat(" (version ", version, ")") : "");
}

std::string Show(const v1::RestoreOrigin& origin, const std::string& job) {
  return absl::StrCat("checkpoint ", origin.id(),
                      origin.job() == job ? "" : absl::StrCat(" of ", origin.job()));
}

}  // namespace

void Coordinator::Fleet::OnTakeCheckpoint(absl::Time now, uint64_t call,
                                          const v1::TakeCheckpointRequest& request) {
  Begin(now);
  const state::JobRecord* record = FindRecord(request.job());
  if (record == nullptr) {
    return Refuse(call, absl::NotFoundError(absl::StrCat("no job '", Clip(request.job(), 64),
                                                         "' on this fleet")));
  }
  const std::string path =
      request.path().empty() ? record->spec().checkpoint().path() : request.path();
  if (path.empty()) {
    return Refuse(call, absl::FailedPreconditionError(absl::StrCat(
                            record->job(), " has no place for checkpoints: give a path, or set "
                                           "checkpoint.path in its spec")));
  }
  if (const absl::Status status = CheckCheckpointPath("path", path); !status.ok()) {
    return Refuse(call, status);
  }
  Job* job = FindJob(record->number());
  if (job == nullptr || record->state() == v1::WAITING || record->restoring()) {
    return Refuse(call, absl::FailedPreconditionError(absl::StrCat(
                            record->job(), " is ", v1::JobState_Name(record->state()),
                            record->restoring() ? " but goes back to a checkpoint just now"
                                                : ": only a running job has something to write")));
  }
  v1::TakeCheckpointReply reply;
  if (const state::CheckpointRecord* order = UnderWay(*record); order != nullptr) {
    reply.set_id(order->status().id());
    return Answer(call, std::move(reply));
  }
  if (!job->progress->Complete() || record->has_pending()) {
    return Refuse(call, absl::UnavailableError(absl::StrCat(
                            record->job(), record->has_pending()
                                               ? " is changing its mode; ask again when it has"
                                               : " waits for the first report of every partition; "
                                                 "ask again")));
  }
  if (const absl::Status status = GiveOrder(job, path); !status.ok()) {
    return Refuse(call, status);
  }
  reply.set_id(FindRecord(request.job())->last_checkpoint());
  Answer(call, std::move(reply));
  Settle();
}

absl::Status Coordinator::Fleet::CheckStartOf(const v1::JobSpec& spec,
                                              v1::StartingPoint* start) const {
  const bool is_bare = spec.model().parameters_size() > 0;
  RETURN_IF_ERROR(CheckStart(*start, is_bare));
  state::JobRecord record;
  *record.mutable_spec() = spec;
  *record.mutable_spec()->mutable_consistency() = start->segment().consistency();
  RETURN_IF_ERROR(ResolveJobSpec(record.mutable_spec()));
  *start->mutable_segment()->mutable_consistency() = record.spec().consistency();
  const bool same_mode = SameMode(record.spec().consistency(), spec.consistency());
  if (is_bare && same_mode) return absl::OkStatus();
  if (is_bare) {
    return absl::InvalidArgumentError(absl::StrCat(
        "start.segment.consistency is {", start->segment().consistency().ShortDebugString(),
        "}; wanted that of the spec, {", spec.consistency().ShortDebugString(),
        "}: a job with bare parameters goes on in the mode that its checkpoint was taken in"));
  }
  RETURN_IF_ERROR(CheckFacts("start.facts", start->facts()));
  RETURN_IF_ERROR(ParametersOf(spec, start->facts()).status());
  *record.mutable_facts() = start->facts();
  if (start->segment().first_shard() <= TotalShards(record)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "start.segment.first_shard is ", start->segment().first_shard(), "; the job has ",
      TotalShards(record), " data shards: give it at least as many epochs as the checkpoint has"));
}

void Coordinator::Fleet::SetStart(const v1::StartingPoint& start, state::JobRecord* record) {
  *record->mutable_start() = start;
  *record->mutable_segment() = start.segment();
  *record->mutable_origin() = start.origin();
  // Numbers of its own checkpoints are above that of this one.
  record->set_last_checkpoint(start.origin().id());
  state::CheckpointRecord* from = record->add_checkpoints();
  from->set_job(start.origin().job());
  *from->mutable_segment() = start.segment();
  from->mutable_status()->set_id(start.origin().id());
  from->mutable_status()->set_path(start.origin().path());
  from->mutable_status()->set_state(v1::CheckpointStatus::WHOLE);
}

absl::Status Coordinator::Fleet::GiveOrder(Job* job, const std::string& path) {
  Edit edit(&records_);
  return GiveOrder(job, path, &edit);
}

absl::Status Coordinator::Fleet::GiveOrder(Job* job, const std::string& path, Edit* edit) {
  state::JobRecord* record = edit->job(job->number);
  state::CheckpointRecord* order = AddOrder(PlaceFor(path, *record), now_, record);
  if (job->grants.has_value()) {
    // What is granted ends there, so no partition is past it; and no more is granted until every
    // primary has heard of the order.
    const uint64_t first = record->segment().first_version();
    order->set_exact_version(
        std::max(first + job->grants->granted(), job->progress->Version()));
  }
  edit->Then([this, number = job->number] {
    Job* job = FindJob(number);
    BuildOrder(job, version_);
    ChangeHolders(RecordOf(*job));
    Mark(number);
  });
  return Commit(edit);
}

void Coordinator::Fleet::BuildOrder(Job* job, uint64_t mark) {
  job->order.reset();
  job->is_committing = false;
  job->order_mark = mark;
  const state::JobRecord& record = RecordOf(*job);
  if (const state::CheckpointRecord* order = UnderWay(record); order != nullptr) {
    job->order.emplace(*order, record, now_);
  }
}

bool Coordinator::Fleet::OrderHeard(const Job& job) const {
  if (!job.order.has_value()) return true;
  const auto& placement = RecordOf(job).placement();
  return std::all_of(placement.begin(), placement.end(), [&](const v1::PartitionPlacement& place) {
    const auto server = servers_.find(place.server());
    return server == servers_.end() || server->second.known > job.order_mark;
  });
}

void Coordinator::Fleet::FillOrder(const state::JobRecord& record, const std::string& server,
                                   v1::JobDirective* directive) const {
  if (record.has_origin()) *directive->mutable_restore() = record.origin();
  const auto job = jobs_.find(record.number());
  const state::CheckpointRecord* order = UnderWay(record);
  if (job == jobs_.end() || order == nullptr) return;
  v1::CheckpointOrder* out = directive->mutable_checkpoint();
  out->set_id(order->status().id());
  out->set_path(order->status().path());
  out->set_keep(KeepOf(record));
  out->set_first(!HasWholeIn(out->path(), record));
  for (const uint64_t id : PinnedBy(records_.jobs(), out->path(), record.job())) {
    out->add_pinned(id);
  }
  // Where the job would go back to: whether this one was committed may never be heard.
  const state::CheckpointRecord* whole = NewestWhole(record);
  if (whole != nullptr && whole->job().empty() && whole->status().path() == out->path()) {
    out->add_pinned(whole->status().id());
  }
  if (order->has_exact_version()) out->set_exact_version(order->exact_version());
  const bool commits = job->second.order.has_value() && job->second.order->AllWritten();
  if (!commits || record.placement(0).server() != server) return;
  for (const std::string& part : job->second.order->parts()) out->add_parts(part);
}

absl::Status Coordinator::Fleet::KeepCheckpoint(Job* job) {
  const state::JobRecord& record = RecordOf(*job);
  if (!job->order.has_value()) {
    const bool may = record.state() == v1::RUNNING && !record.restoring() &&
                     !record.has_pending() && job->progress->Complete();
    if (!may) return absl::OkStatus();
    if (!IsCheckpointDue(record, job->progress->Version(), now_)) return absl::OkStatus();
    return GiveOrder(job, record.spec().checkpoint().path());
  }
  const uint64_t exact = UnderWay(record)->exact_version();  // 0: none.
  if (job->progress->Version() < exact) job->order->Moved(job->progress->moved());
  if (job->order->committed()) return FinishOrder(job, job->order->Whole(now_));
  const std::string why = job->order->Failure(now_, record);
  if (!why.empty() && job->order->taken()) return MoveOrder(job, why);
  if (!why.empty()) return FinishOrder(job, job->order->Failed(now_, why));
  if (job->order->AllWritten() && !std::exchange(job->is_committing, true)) {
    ChangeServer(record.placement(0).server());
  }
  return absl::OkStatus();
}

// Orders it anew, under another number, where the folder is the job's own.
absl::Status Coordinator::Fleet::MoveOrder(Job* job, const std::string& why) {
  Edit edit(&records_);
  state::JobRecord* record = edit.job(job->number);
  const v1::CheckpointStatus before = UnderWay(*record)->status();
  if (!MovePlace(before.path(), record)) return FinishOrder(job, job->order->Failed(now_, why));
  ForgetOrder(record);
  const std::string told =
      absl::StrCat("checkpoint ", before.id(), ": ", why, "; it becomes checkpoint ",
                   record->last_checkpoint() + 1, ", and this job's go to ",
                   PlaceFor(before.path(), *record), " from now on");
  edit.Then([this, name = job->name, told] {
    Emit(name, EventKind::kCheckpointMoved, name, told);
  });
  return GiveOrder(job, before.path(), &edit);
}

absl::Status Coordinator::Fleet::FinishOrder(Job* job, const v1::CheckpointStatus& outcome) {
  Edit edit(&records_);
  EndOrder(outcome, KeepOf(RecordOf(*job)), edit.job(job->number));
  edit.Then([this, number = job->number, outcome] {
    Job* job = FindJob(number);
    job->order.reset();
    ChangeHolders(RecordOf(*job));
    Mark(number);
    TellOutcome(job->name, outcome);
  });
  return Commit(&edit);
}

void Coordinator::Fleet::TellOutcome(const std::string& job, const v1::CheckpointStatus& outcome) {
  const std::string name = absl::StrCat("checkpoint ", outcome.id());
  if (outcome.state() == v1::CheckpointStatus::FAILED) {
    return Emit(job, EventKind::kCheckpointFailed, job,
                absl::StrCat(name, " is not written: ", outcome.error()));
  }
  Emit(job, EventKind::kCheckpointWritten, job,
       absl::StrCat(name, " (version ", outcome.version(), ") is whole in ", outcome.path(), ": ",
                    outcome.bytes(), " bytes written anew"));
}

void Coordinator::Fleet::DropOrder(Job* job, const std::string& why, Edit* edit) {
  if (!job->order.has_value()) return;
  const v1::CheckpointStatus outcome = job->order->Failed(now_, why);
  EndOrder(outcome, KeepOf(RecordOf(*job)), edit->job(job->number));
  edit->Then([this, name = job->name, outcome] { TellOutcome(name, outcome); });
}

void Coordinator::Fleet::Restore(Job* job, Edit* edit, const std::string& why) {
  state::JobRecord* record = edit->job(job->number);
  const state::CheckpointRecord* newest = NewestWhole(*record);
  if (newest == nullptr) return End(job, edit, v1::FAILED, why);
  const state::CheckpointRecord to = *newest;
  DropOrder(job, absl::StrCat("the job goes back to ", Show(to)), edit);
  GoBack(to, Clip(why, kReasonBytesMax), record);
  StartAll(std::max(NextStartClock(*job), to.segment().first_version() + 1),
           record->mutable_roster());
  edit->Then([this, number = job->number, holders = HoldersOf(RecordOf(*job))] {
    Job* job = FindJob(number);
    job->progress.reset();
    job->order.reset();
    job->failovers.clear();
    job->words.clear();
    job->told.clear();
    job->unreadable.clear();
    job->evaluator.clear();
    job->start_by = absl::InfiniteFuture();
    BuildWork(job);
    for (const std::string& id : holders) ChangeServer(id);
    ChangeWorkers(*job);
    schedule_ = true;
    Mark(number);
  });
}

absl::Status Coordinator::Fleet::PlaceAnew(Job* job) {
  if (!RecordOf(*job).restoring() || !ServersSuffice(job)) return absl::OkStatus();
  Edit edit(&records_);
  state::JobRecord* record = edit.job(job->number);
  record->set_restoring(false);
  PlaceCopies(job->elements, record);
  edit.Then([this, number = job->number] {
    Job* job = FindJob(number);
    const state::JobRecord& record = RecordOf(*job);
    job->start_by = absl::InfiniteFuture();
    job->check_copies = true;
    ChangeAll(*job);
    Mark(number);
    Emit(job->name, EventKind::kJobRestored, job->name,
         absl::StrCat("goes back to ", Show(*NewestWhole(record)), " on ",
                      absl::StrJoin(HoldersOf(record), ", "), ": ", record.restore_reason()));
  });
  return Commit(&edit);
}

void Coordinator::Fleet::PlaceCopies(const std::vector<uint64_t>& elements,
                                     state::JobRecord* record) const {
  const v1::FleetSpec fleet = FleetOf(*record);
  const CopyServers servers = ServersForCopies();
  std::vector<ServerLoad> loads;
  for (const auto& [id, s] : servers) {
    if (s.takes_copies) loads.push_back({id, s.elements, s.zone, s.primaries});
  }
  const auto placed = Place(elements, loads, fleet.replicas(), ServersWanted(fleet));
  for (size_t i = 0; i < placed.size(); ++i) {
    const auto p = static_cast<int>(i);
    v1::PartitionPlacement* place = record->mutable_placement(p);
    const CopyServer& primary = servers.at(loads[placed[i][0]].id);
    place->set_term(place->term() + 1);
    place->set_config(place->config() + 1);
    place->set_server(primary.server.id());
    place->set_server_incarnation(primary.server.incarnation());
    place->set_address(primary.address);
    // All begin alike: from the seed, or from one checkpoint.
    for (const size_t server : placed[i]) {
      record->set_last_replica(p, record->last_replica(p) + 1);
      AddCopy(servers.at(loads[server].id), record->last_replica(p), place)->set_in_sync(true);
    }
  }
}

bool Coordinator::Fleet::TakeCheckpointReport(const v1::PartitionReport& report,
                                              const v1::PartitionReplica& copy, Job* job) {
  if (!report.has_checkpoint()) return false;
  const v1::CheckpointReport& said = report.checkpoint();
  const state::JobRecord& record = RecordOf(*job);
  // Numbers of orders are above that of what the job began from.
  const bool is_origin = record.has_origin() && said.id() == record.origin().id();
  if (!is_origin || said.error().empty() || UnderWay(record) != nullptr) return false;
  job->unreadable[{report.partition(), copy.id()}] = {copy.server(), Clip(said.error(), 500)};
  Mark(job->number);
  return true;
}

absl::Status Coordinator::Fleet::TakeUnreadable(Job* job) {
  if (job->unreadable.empty()) return absl::OkStatus();
  const uint64_t number = job->number;
  const CopyServers servers = ServersForCopies();
  const std::set<std::string> holders = HoldersOf(RecordOf(*job));
  const std::string name = Show(RecordOf(*job).origin(), job->name);
  Edit edit(&records_);
  state::JobRecord* record = edit.job(number);
  PartitionChanges changes;
  std::string lost;
  for (const auto& [key, unreadable] : job->unreadable) {
    const auto& [server, why] = unreadable;
    v1::PartitionPlacement* place = record->mutable_placement(static_cast<int>(key.first));
    const v1::PartitionReplica* copy = CopyOn(server, *place);
    if (copy == nullptr || copy->id() != key.second) continue;
    const std::string told = absl::StrCat(name, " cannot be read: ", why);
    for (const CopyChange& change :
         LoseServers({{server, told}}, job->words[key.first], servers, place)) {
      changes.push_back({key.first, change});
    }
    if (!place->server().empty() || !lost.empty()) continue;
    lost = absl::StrCat(server, ": partition ", key.first, ": ", why);
    edit.Then([this, name = job->name, server = server, told] {
      Emit(name, EventKind::kCheckpointUnusable, server, told);
    });
  }
  if (!lost.empty()) {
    MarkUnusable(lost, record);
    const std::string before = record->restore_reason();
    Restore(job, &edit, absl::StrCat(before, before.empty() ? "" : "; ", name,
                                     " cannot be read: ", lost));
  } else {
    edit.Then([this, number, holders, changes] {
      Job* job = FindJob(number);
      job->unreadable.clear();
      job->check_copies = true;
      AfterCopies(number, holders, changes);
    });
  }
  return Commit(&edit);
}

void Coordinator::Fleet::FollowSpec(Job* job, Edit* edit) {
  const state::JobRecord& record = RecordOf(*job);
  const v1::Segment& start = record.start().segment();
  const bool is_there = record.has_start() && !record.has_pending() &&
                        record.segment().first_version() == start.first_version() &&
                        record.segment().first_shard() == start.first_shard();
  const v1::ConsistencySpec& wanted = record.spec().consistency();
  if (!is_there || SameMode(record.segment().consistency(), wanted)) return;
  if (SameMode(start.consistency(), wanted)) return;
  if (job->is_bare && !job->grants.has_value()) return;
  const uint64_t version = std::max(job->progress->Version(), start.first_version());
  const uint64_t cut = job->grants.has_value()
                           ? std::max(job->grants->granted(), version - start.first_version())
                           : job->shards->next();
  if (cut >= PlanOf(record).size()) return;
  *edit->job(job->number)->mutable_pending() = wanted;
  edit->job(job->number)->set_cut(cut);
  edit->job(job->number)->set_granted_below(cut);
  edit->Then([this, number = job->number, cut] {
    Job* job = FindJob(number);
    if (job == nullptr) return;
    if (job->shards.has_value()) job->shards->SetLimit(cut);
    Mark(number);
    Emit(job->name, EventKind::kModeChangeRequested, job->name,
         absl::StrCat("the spec wants another mode than the checkpoint was taken in; it takes "
                      "effect when all work below run ",
                      cut, " is applied"));
  });
}

}  // namespace paceline
