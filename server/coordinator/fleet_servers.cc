// Servers: their coming, their partitions' reports, their going.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "server/coordinator/fleet.h"
#include "server/coordinator/request_check.h"

namespace paceline {
namespace {

constexpr int kWaitsKept = 64;
constexpr int kEpochsKept = 4;

// What is kept of a report: no more than people read and decisions need.
v1::PartitionReport Trim(v1::PartitionReport report) {
  report.set_last_invalid(Clip(report.last_invalid(), 500));
  report.clear_checkpoint();
  if (report.waits_size() > kWaitsKept) {
    report.mutable_waits()->DeleteSubrange(kWaitsKept, report.waits_size() - kWaitsKept);
  }
  if (report.epochs_size() > kEpochsKept) {
    report.mutable_epochs()->DeleteSubrange(0, report.epochs_size() - kEpochsKept);
  }
  for (v1::Wait& wait : *report.mutable_waits()) {
    wait.set_worker(Clip(wait.worker(), 64));
    wait.set_what(Clip(wait.what(), 200));
    if (wait.on_size() > kWaitsKept) {
      wait.mutable_on()->DeleteSubrange(kWaitsKept, wait.on_size() - kWaitsKept);
    }
    for (std::string& on : *wait.mutable_on()) on = Clip(on, 64);
  }
  return report;
}

}  // namespace

void Coordinator::Fleet::OnServerSync(absl::Time now, uint64_t call,
                                      const v1::ServerSyncRequest& request) {
  Begin(now);
  const std::string id = request.server().id();
  if (id != options_.own_server) Hear();
  const auto known = records_.servers().find(id);
  const uint64_t newest =
      known == records_.servers().end() ? 0 : known->second.server().incarnation();
  absl::Status status = CheckServerSync(request);
  if (status.ok() && request.leaving()) {
    if (newest == request.server().incarnation()) status = LeaveServer(id);
    if (!status.ok()) return Refuse(call, status);
    v1::ServerSyncReply reply;
    *reply.mutable_server() = request.server();
    Answer(call, std::move(reply));
    return Settle();
  }
  if (status.ok()) {
    status = CheckRelease(absl::StrCat("server ", id), request.release(), options_.release);
  }
  if (status.ok() && request.server().incarnation() == 0) {
    status = RegisterServer(request);
  } else if (status.ok() && request.server().incarnation() != newest) {
    status = absl::FailedPreconditionError(
        absl::StrCat("incarnation ", request.server().incarnation(), " of server ", id,
                     newest > request.server().incarnation()
                         ? " has been replaced: a process that registered later uses the same id"
                         : " has expired or left: register anew"));
  }
  if (!status.ok()) {
    Refuse(call, status);
    return Settle();
  }
  Server& server = servers_.at(id);
  server.last_sync = now_;
  server.known = request.server().incarnation() == 0 ? 0 : request.known_version();
  // A registration whose answer was lost is repeated: nothing is placed on an incarnation that does
  // not know of itself.
  const bool was_sound = server.is_sound();
  server.suspected = false;
  if (request.server().incarnation() > 0) server.heard = true;
  if (server.heard && !was_sound) CheckCopies();
  server_leases_.Renew(id, now_);
  if (request.server().incarnation() > 0) TakePartitions(request);
  if (server.parked.has_value()) {
    parked_.Take(*server.parked);
    Answer(*server.parked, ServerReply(id, false));
    server.parked.reset();
  }
  ParkedCall parked;
  parked.kind = ParkedCall::Kind::kServerSync;
  parked.who = id;
  parked.version = request.server().incarnation() == 0 ? 0 : request.known_version();
  parked.deadline = now_ + options_.sync_interval;
  Park(call, std::move(parked));
  if (parked_.Find(call) != nullptr) server.parked = call;
  changed_servers_.insert(id);
  Settle();
}

absl::Status Coordinator::Fleet::RegisterServer(const v1::ServerSyncRequest& request) {
  const std::string id = request.server().id();
  const bool is_replacing = servers_.count(id) > 0;
  if (!is_replacing && servers_.size() >= options_.servers_max) {
    return absl::ResourceExhaustedError(
        absl::StrCat("this fleet has ", servers_.size(), " servers, as many as it takes"));
  }
  if (is_replacing) {
    const state::ServerRecord& holder = records_.servers().at(id);
    if (holder.address() != request.address() || holder.pid() != request.pid()) {
      return absl::AlreadyExistsError(
          absl::StrCat("the id ", id, " belongs to process ", holder.pid(), " at ",
                       holder.address(),
                       " until its lease is over; another process wants an id of its own"));
    }
  }
  const uint64_t incarnation = records_.coordinator().incarnations() + 1;
  Edit edit(&records_);
  if (is_replacing) {
    DetachServers(&edit, {{id, absl::StrCat("server ", id, " restarted")}});
  }
  const bool is_draining = is_replacing && records_.servers().at(id).draining();
  edit.coordinator()->set_incarnations(incarnation);
  state::ServerRecord* record = edit.server(id);
  record->Clear();
  record->mutable_server()->set_id(id);
  record->mutable_server()->set_incarnation(incarnation);
  record->set_address(request.address());
  record->set_pid(request.pid());
  record->set_release(request.release());
  record->set_zone(request.zone());
  record->set_draining(is_draining);
  edit.Then([this, id, incarnation, is_replacing, address = request.address()] {
    servers_[id].last_sync = now_;
    servers_[id].version = ++version_;
    server_leases_.Renew(id, now_);
    Emit("", is_replacing ? EventKind::kServerReplaced : EventKind::kServerJoined, id,
         absl::StrCat("server ", id, " registered as incarnation ", incarnation, " at ", address,
                      is_replacing ? ", in place of an earlier process" : ""));
  });
  return Commit(&edit);
}

absl::Status Coordinator::Fleet::LeaveServer(const std::string& id) {
  if (servers_.count(id) == 0) return absl::OkStatus();
  Edit edit(&records_);
  DetachServers(&edit, {{id, absl::StrCat("server ", id, " left")}});
  edit.Then([this, id] {
    Emit("", EventKind::kServerLeft, id, absl::StrCat("server ", id, " left in good order"));
  });
  return Commit(&edit);
}

void Coordinator::Fleet::TakePartitions(const v1::ServerSyncRequest& request) {
  for (const v1::PartitionReport& report : request.partitions()) {
    const auto number = number_of_.find(report.job());
    Job* job = number == number_of_.end() ? nullptr : FindJob(number->second);
    if (job == nullptr || job->progress == nullptr) continue;
    if (report.partition() >= static_cast<uint32_t>(RecordOf(*job).placement_size())) continue;
    TakePartition(request.server(), report, job);
  }
}

void Coordinator::Fleet::TakePartition(const v1::ServerIdentity& server,
                                       const v1::PartitionReport& report, Job* job) {
  const uint32_t p = report.partition();
  const v1::PartitionPlacement& place = RecordOf(*job).placement(static_cast<int>(p));
  const v1::PartitionReplica* copy = CopyOn(server.id(), place);
  const bool is_held = copy != nullptr && copy->server_incarnation() == server.incarnation() &&
                       (report.replica() == copy->id() || report.replica() == 0);
  if (!is_held) return;
  if (TakeCheckpointReport(report, *copy, job)) return;
  CopyWord& word = job->words[p][copy->id()];
  if (word.config != report.config()) {
    job->check_copies = true;
    Mark(job->number);
  }
  word = {report.last_index(), report.config()};
  // A deposed primary's word, and a backup's, is no progress.
  if (report.is_backup() || copy->server() != place.server() || report.term() != place.term()) {
    return;
  }
  const v1::PartitionReport& known = job->progress->reports()[p];
  // A new primary counts its own refusals.
  const uint64_t invalid = known.term() == report.term() ? known.pushes_invalid() : 0;
  if (report.pushes_invalid() > invalid) {
    Emit(job->name, EventKind::kPushInvalid, server.id(),
         absl::StrCat(report.pushes_invalid(), " requests refused by partition ", p,
                      "; the newest: ", Clip(report.last_invalid(), 500)));
  }
  if (known.term() > 0 && report.term() > known.term()) MeetNewPrimary(server, report, job);
  if (job->order.has_value()) job->order->Take(now_, p, report.checkpoint());
  job->progress->Report(now_, Trim(report));
  if (!ChangesIn(job->progress->reports()[p], place).empty()) job->told.insert(p);
  TakeNearing(p, job);
  const auto failover = job->failovers.find(p);
  if (failover != job->failovers.end() && report.version() > failover->second.version) {
    job->failovers.erase(failover);
  }
  if (p == 0 && job->grants.has_value()) {
    const uint64_t first = RecordOf(*job).segment().first_version();
    const uint64_t version = job->progress->reports()[p].version();
    job->grants->OnPace(version - std::min(version, first));
  }
  Mark(job->number);
}

// With acks: leader it may lack what its predecessor acknowledged, whose senders believe it done.
void Coordinator::Fleet::MeetNewPrimary(const v1::ServerIdentity& server,
                                        const v1::PartitionReport& report, Job* job) {
  if (RecordOf(*job).spec().fleet().acks() != v1::FleetSpec::LEADER) return;
  if (job->shards.has_value()) job->shards->ReleaseAll();
  const uint64_t last = job->progress->reports()[report.partition()].last_index();
  if (report.first_index() >= last) return;
  const uint64_t gone = last - report.first_index();
  Emit(job->name, EventKind::kPushesLost, server.id(),
       absl::StrCat(
           "partition ", report.partition(), ": at least ", gone, gone == 1 ? " push" : " pushes",
           " that the primary before had taken alone went with it (acks: leader); ",
           job->is_bare ? "nobody sends them again" : "their data shards are granted again"));
}

v1::ServerSyncReply Coordinator::Fleet::ServerReply(const std::string& id, bool changed) const {
  const state::ServerRecord& known = records_.servers().at(id);
  v1::ServerSyncReply reply;
  *reply.mutable_server() = known.server();
  reply.set_version(servers_.at(id).version);
  reply.set_changed(changed);
  reply.set_sync_interval_ms(
      static_cast<uint32_t>(absl::ToInt64Milliseconds(options_.sync_interval)));
  reply.set_lease_ms(static_cast<uint32_t>(absl::ToInt64Milliseconds(options_.lease)));
  if (!changed) return reply;
  for (const auto& [number, record] : records_.jobs()) {
    const bool holds_some = std::any_of(
        record.placement().begin(), record.placement().end(),
        [&](const v1::PartitionPlacement& p) {
          const v1::PartitionReplica* copy = CopyOn(id, p);
          return copy != nullptr && copy->server_incarnation() == known.server().incarnation();
        });
    if (!holds_some) continue;
    v1::JobDirective* directive = reply.add_jobs();
    FillDirective(record, directive);
    FillOrder(record, id, directive);
  }
  return reply;
}

}  // namespace paceline
