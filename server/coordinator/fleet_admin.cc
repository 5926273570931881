// What a person asks of servers and copies: drain, rebalance, scale.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/job/job_spec.h"
#include "server/coordinator/fleet.h"
#include "server/coordinator/rebalance.h"
#include "server/coordinator/request_check.h"
#include "server/coordinator/roster.h"
#include "server/coordinator/work.h"

namespace paceline {
namespace {

constexpr uint64_t kBytesPerElement = 4;

std::string Count(uint64_t count, const char* noun) {
  return absl::StrCat(count, " ", noun, count == 1 ? "" : "s");
}

}  // namespace

void Coordinator::Fleet::OnDrainServer(absl::Time now, uint64_t call,
                                       const v1::DrainServerRequest& request) {
  Begin(now);
  const std::string id = request.server();
  const auto it = records_.servers().find(id);
  if (it == records_.servers().end()) {
    return Refuse(
        call, absl::NotFoundError(absl::StrCat("no server '", Clip(id, 64), "' on this fleet")));
  }
  const bool drain = !request.cancel();
  Edit edit(&records_);
  if (it->second.draining() != drain) {
    edit.server(id)->set_draining(drain);
    for (const auto& [number, job] : jobs_) {
      const auto& placement = RecordOf(job).placement();
      for (int p = 0; !drain && p < placement.size(); ++p) {
        const v1::PartitionReplica* copy = CopyOn(id, placement[p]);
        if (copy == nullptr || !copy->leaving()) continue;
        v1::PartitionPlacement* place = edit.job(number)->mutable_placement(p);
        for (v1::PartitionReplica& stays : *place->mutable_replicas()) {
          if (stays.server() == id) stays.set_leaving(false);
        }
        place->set_config(place->config() + 1);
      }
    }
    edit.Then([this, id, drain] {
      CheckCopies();
      for (const auto& [number, job] : jobs_) ChangeHolders(RecordOf(job));
      Emit("", drain ? EventKind::kServerDraining : EventKind::kDrainCancelled, id,
           drain ? absl::StrCat("server ", id, " is to hold nothing; it holds ", CopiesOn(id),
                                " copies of partitions")
                 : absl::StrCat("server ", id, " may be given copies again"));
      TellDrained(id);
    });
  }
  const absl::Status status = Commit(&edit);
  if (!status.ok()) return Refuse(call, status);
  Settle();
  v1::DrainServerReply reply;
  reply.set_replicas(CopiesOn(id));
  Answer(call, std::move(reply));
}

std::vector<v1::ReplicaMove> Coordinator::Fleet::PlanRebalance(std::vector<bool>* roles) const {
  std::vector<BalanceServer> servers;
  std::map<std::string, size_t> index_of;
  for (const auto& [id, server] : ServersForCopies()) {
    if (!server.takes_copies) continue;
    index_of[id] = servers.size();
    servers.push_back({id, server.zone});
  }
  std::vector<BalancePartition> partitions;
  std::vector<std::pair<const Job*, uint32_t>> names;
  for (const auto& [number, job] : jobs_) {
    for (const v1::PartitionPlacement& place : RecordOf(job).placement()) {
      if (place.replicas().empty()) continue;
      BalancePartition& partition = partitions.emplace_back();
      names.push_back({&job, place.partition()});
      partition.elements = job.elements[place.partition()];
      for (const v1::PartitionReplica& copy : place.replicas()) {
        partition.is_settled &= copy.in_sync() && !copy.leaving();
        const auto it = index_of.find(copy.server());
        if (it == index_of.end() || copy.leaving()) continue;
        partition.copies.push_back({it->second, copy.server() == place.server()});
      }
    }
  }
  std::vector<v1::ReplicaMove> moves;
  for (const BalanceMove& move : PlanMoves(partitions, servers)) {
    v1::ReplicaMove& out = moves.emplace_back();
    out.set_job(names[move.partition].first->name);
    out.set_partition(names[move.partition].second);
    out.set_from(servers[move.from].id);
    out.set_to(servers[move.to].id);
    if (!move.is_role) out.set_bytes(partitions[move.partition].elements * kBytesPerElement);
    roles->push_back(move.is_role);
  }
  return moves;
}

void Coordinator::Fleet::OnRebalance(absl::Time now, uint64_t call,
                                     const v1::RebalanceRequest& request) {
  Begin(now);
  std::vector<bool> roles;
  const std::vector<v1::ReplicaMove> moves = PlanRebalance(&roles);
  v1::RebalanceReply reply;
  for (const v1::ReplicaMove& move : moves) *reply.add_moves() = move;
  if (request.dry_run() || moves.empty()) return Answer(call, std::move(reply));

  const CopyServers servers = ServersForCopies();
  Edit edit(&records_);
  std::map<uint64_t, PartitionChanges> changes;
  uint64_t moved = 0;
  for (size_t i = 0; i < moves.size(); ++i) {
    const v1::ReplicaMove& move = moves[i];
    const uint64_t number = number_of_.at(move.job());
    const auto p = static_cast<int>(move.partition());
    state::JobRecord* record = edit.job(number);
    v1::PartitionPlacement* place = record->mutable_placement(p);
    if (roles[i]) {
      for (const CopyChange& change : Promote(move.to(), "to even out", place)) {
        changes[number].push_back({move.partition(), change});
      }
      continue;
    }
    ++moved;
    for (v1::PartitionReplica& copy : *place->mutable_replicas()) {
      if (copy.server() == move.from()) copy.set_leaving(true);
    }
    record->set_last_replica(p, record->last_replica(p) + 1);
    AddCopy(servers.at(move.to()), record->last_replica(p), place);
    place->set_config(place->config() + 1);
    changes[number].push_back(
        {move.partition(), {CopyChange::Kind::kAdded, record->last_replica(p), move.to(), ""}});
  }
  edit.Then([this, moved, changed = moves.size() - moved] {
    Emit("", EventKind::kRebalanced, "fleet",
         absl::StrCat(Count(moved, "partition"), " on the way to servers that hold less, ",
                      Count(changed, "primary change"), " made"));
  });
  for (const auto& [number, some] : changes) {
    edit.Then(
        [this, number = number, some = some, holders = HoldersOf(records_.jobs().at(number))] {
          AfterCopies(number, holders, some);
        });
  }
  const absl::Status status = Commit(&edit);
  if (!status.ok()) return Refuse(call, status);
  Answer(call, std::move(reply));
  Settle();
}

void Coordinator::Fleet::OnScaleJob(absl::Time now, uint64_t call,
                                    const v1::ScaleJobRequest& request) {
  Begin(now);
  const state::JobRecord* record = FindRecord(request.job());
  if (record == nullptr) {
    return Refuse(call, absl::NotFoundError(
                            absl::StrCat("no job '", Clip(request.job(), 64), "' on this fleet")));
  }
  const uint64_t number = record->number();
  state::JobRecord after = *record;
  state::ScaleRecord* scale = after.mutable_scale();
  if (request.has_workers()) scale->set_workers(request.workers());
  if (request.has_replicas()) scale->set_replicas(request.replicas());
  if (request.has_min_in_sync()) scale->set_min_in_sync(request.min_in_sync());
  const v1::FleetSpec fleet = FleetOf(after);
  v1::JobSpec spec = record->spec();
  *spec.mutable_fleet() = fleet;
  if (const absl::Status status = ResolveJobSpec(&spec); !status.ok()) return Refuse(call, status);
  const uint64_t partitions = static_cast<uint64_t>(record->placement_size());
  if (partitions * fleet.replicas() > options_.copies_max) {
    return Refuse(call, absl::InvalidArgumentError(absl::StrCat(
                            "fleet.replicas is ", fleet.replicas(), "; with ", partitions,
                            " partitions these are more than ", options_.copies_max, " copies")));
  }
  if (FindJob(number) == nullptr) {
    return Refuse(
        call, absl::FailedPreconditionError(absl::StrCat(
                  record->job(), " is ", v1::JobState_Name(record->state()), ": it has ended")));
  }
  const bool changes = fleet.SerializeAsString() != FleetOf(*record).SerializeAsString();
  Edit edit(&records_);
  if (changes) {
    *edit.job(number) = std::move(after);
    edit.Then([this, number, fleet] {
      Job* job = FindJob(number);
      job->check_copies = true;
      schedule_ = true;
      Mark(number);
      ChangeAll(*job);
      Emit(job->name, EventKind::kJobScaled, job->name,
           absl::StrCat("wants ", Count(fleet.workers(), "worker"), " and ", fleet.replicas(),
                        fleet.replicas() == 1 ? " copy" : " copies",
                        " of each partition from now on, of which ", fleet.min_in_sync(),
                        " in sync for pushes to be applied"));
    });
  }
  if (const absl::Status status = Commit(&edit); !status.ok()) return Refuse(call, status);
  v1::ScaleJobReply reply;
  reply.set_workers(fleet.workers());
  reply.set_replicas(fleet.replicas());
  reply.set_min_in_sync(fleet.min_in_sync());
  Answer(call, std::move(reply));
  Settle();
}

// Workers that the job no longer wants: those that are not ready first, then the last ids.
absl::Status Coordinator::Fleet::LetGo(Job* job) {
  const size_t wanted = FleetOf(RecordOf(*job)).workers();
  if (job->is_bare || job->assigned.size() <= wanted) return absl::OkStatus();
  std::vector<std::pair<bool, std::string>> order;  // Ready, id.
  for (const auto& [id, assigned] : job->assigned) order.push_back({assigned.ready, id});
  std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
    return a.first != b.first ? !a.first : a.second > b.second;
  });
  order.resize(order.size() - wanted);
  Edit edit(&records_);
  for (const auto& [ready, id] : order) {
    if (FindMember(RecordOf(*job).roster(), id) != nullptr) {
      RemoveMember(id, edit.job(job->number)->mutable_roster());
    }
    edit.Then([this, number = job->number, id = id, wanted] {
      Job* job = FindJob(number);
      Unassign(job, id);
      Emit(job->name, EventKind::kRosterChanged, id,
           absl::StrCat(id, " is let go: ", job->name, " wants ", Count(wanted, "worker")));
    });
  }
  return Commit(&edit);
}

}  // namespace paceline
