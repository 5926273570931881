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
  // A registration whose answer was lost is repeated: nothing is placed on an incarnation that does
  // not know of itself.
  if (request.server().incarnation() > 0 && !std::exchange(server.heard, true)) {
    for (const auto& [number, job] : jobs_) Mark(number);
  }
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
    DetachServer(&edit, id, absl::StrCat("server ", id, " restarted"));
  }
  edit.coordinator()->set_incarnations(incarnation);
  state::ServerRecord* record = edit.server(id);
  record->Clear();
  record->mutable_server()->set_id(id);
  record->mutable_server()->set_incarnation(incarnation);
  record->set_address(request.address());
  record->set_pid(request.pid());
  record->set_release(request.release());
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

void Coordinator::Fleet::DetachServer(Edit* edit, const std::string& id, const std::string& why) {
  for (auto& [number, job] : jobs_) {
    uint64_t lost = 0;
    for (const v1::PartitionPlacement& p : RecordOf(job).placement()) lost += p.server() == id;
    if (lost == 0) continue;
    End(&job, edit, v1::FAILED,
        absl::StrCat(why, "; it held ", lost, " of ", RecordOf(job).placement_size(),
                     " partitions (replicas: 1)"));
  }
  edit->RemoveServer(id);
  edit->Then([this, id, why] {
    EndSync(&servers_.at(id).parked, absl::FailedPreconditionError(why));
    server_leases_.End(id);
    servers_.erase(id);
  });
}

absl::Status Coordinator::Fleet::LeaveServer(const std::string& id) {
  if (servers_.count(id) == 0) return absl::OkStatus();
  Edit edit(&records_);
  DetachServer(&edit, id, absl::StrCat("server ", id, " left"));
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
    const auto& placement = RecordOf(*job).placement();
    if (report.partition() >= static_cast<uint32_t>(placement.size())) continue;
    const v1::PartitionPlacement& place = placement.Get(static_cast<int>(report.partition()));
    const bool is_its = place.server() == request.server().id() &&
                        place.server_incarnation() == request.server().incarnation() &&
                        place.term() == report.term();
    if (!is_its) continue;
    const uint64_t invalid = job->progress->reports()[report.partition()].pushes_invalid();
    if (report.pushes_invalid() > invalid) {
      Emit(job->name, EventKind::kPushInvalid, request.server().id(),
           absl::StrCat(report.pushes_invalid(), " requests refused by partition ",
                        report.partition(), "; the newest: ", Clip(report.last_invalid(), 500)));
    }
    job->progress->Report(now_, Trim(report));
    if (report.partition() == 0 && job->grants.has_value()) {
      const uint64_t first = RecordOf(*job).segment().first_version();
      job->grants->OnPace(report.version() - std::min(report.version(), first));
    }
    Mark(job->number);
  }
}

std::map<std::string, uint64_t> Coordinator::Fleet::ElementsByServer() const {
  std::map<std::string, uint64_t> elements;
  for (const auto& [id, server] : servers_) elements[id] = 0;
  for (const auto& [number, job] : jobs_) {
    const auto& placement = RecordOf(job).placement();
    for (int p = 0; p < placement.size(); ++p) {
      const auto it = elements.find(placement[p].server());
      if (it != elements.end()) it->second += job.elements[static_cast<size_t>(p)];
    }
  }
  return elements;
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
          return p.server() == id && p.server_incarnation() == known.server().incarnation();
        });
    if (holds_some) FillDirective(record, reply.add_jobs());
  }
  return reply;
}

}  // namespace paceline
