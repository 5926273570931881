// The copies of partitions: lost with their servers, promoted, added, let go.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/check.h"
#include "server/coordinator/fleet.h"
#include "server/coordinator/work.h"

namespace paceline {
namespace {

constexpr size_t kNamed = 3;  // Partitions that a sentence names.

// A copy that does not come nearer for so long is tried elsewhere: its primary may not reach it.
constexpr absl::Duration kStuck = absl::Seconds(30);

EventKind KindOf(CopyChange::Kind kind) {
  switch (kind) {
    case CopyChange::Kind::kAdded:
      return EventKind::kReplicaAdded;
    case CopyChange::Kind::kInSync:
      return EventKind::kReplicaInSync;
    case CopyChange::Kind::kOutOfSync:
      return EventKind::kReplicaOutOfSync;
    case CopyChange::Kind::kDiverged:
      return EventKind::kReplicaDiverged;
    case CopyChange::Kind::kRemoved:
      return EventKind::kReplicaRemoved;
    case CopyChange::Kind::kPromoted:
      return EventKind::kPrimaryChanged;
  }
  PACELINE_CHECK(false);
  return EventKind::kPrimaryChanged;
}

// "partition 3", "partitions 3, 4, 5 and 7 more".
std::string Name(const std::vector<uint32_t>& partitions) {
  const std::vector<uint32_t> named(
      partitions.begin(),
      partitions.begin() + static_cast<std::ptrdiff_t>(std::min(kNamed, partitions.size())));
  const size_t more = partitions.size() - named.size();
  return absl::StrCat(partitions.size() == 1 ? "partition " : "partitions ",
                      absl::StrJoin(named, ", "),
                      more > 0 ? absl::StrCat(" and ", more, " more") : "");
}

std::string Sentence(const CopyChange& change) {
  const std::string why = change.why.empty() ? "" : absl::StrCat(": ", change.why);
  switch (change.kind) {
    case CopyChange::Kind::kAdded:
      return absl::StrCat("a copy is made on ", change.server);
    case CopyChange::Kind::kInSync:
      return absl::StrCat("the copy on ", change.server,
                          " has caught up; from now on it is waited for");
    case CopyChange::Kind::kOutOfSync:
      return absl::StrCat("the copy on ", change.server,
                          " lags behind; it is no longer waited for");
    case CopyChange::Kind::kDiverged:
      return absl::StrCat("the copy on ", change.server,
                          " is not what the primary's is; it is taken out and made anew");
    case CopyChange::Kind::kRemoved:
      return absl::StrCat("the copy on ", change.server, " is gone", why);
    case CopyChange::Kind::kPromoted:
      return absl::StrCat(change.server, " is the primary now", why);
  }
  PACELINE_CHECK(false);
  return "";
}

// " (term 4; 1 of 2 copies in sync)".
std::string Standing(const v1::PartitionPlacement& placement) {
  return absl::StrCat(" (term ", placement.term(), "; ", InSyncOf(placement), " of ",
                      placement.replicas_size(), " copies in sync)");
}

}  // namespace

CopyServers Coordinator::Fleet::ServersForCopies() const {
  CopyServers servers;
  for (const auto& [id, server] : servers_) {
    const state::ServerRecord& record = records_.servers().at(id);
    CopyServer& out = servers[id];
    out.server = record.server();
    out.address = record.address();
    out.zone = record.zone();
    out.is_draining = record.draining();
    out.is_sound = server.is_sound();
    out.takes_copies = out.is_sound && !out.is_draining;
  }
  for (const auto& [number, job] : jobs_) {
    const auto& placement = RecordOf(job).placement();
    for (int p = 0; p < placement.size(); ++p) {
      const uint64_t size = job.elements[static_cast<size_t>(p)];
      for (const v1::PartitionReplica& copy : placement[p].replicas()) {
        const auto it = servers.find(copy.server());
        if (it == servers.end() || copy.leaving()) continue;
        it->second.elements += size;
        if (copy.server() == placement[p].server()) it->second.primaries += size;
        const auto sender = servers.find(placement[p].server());
        if (copy.in_sync() || sender == servers.end()) continue;
        ++sender->second.sending;
        sender->second.elements_sending += size;
      }
    }
  }
  return servers;
}

bool Coordinator::Fleet::HoldsAlone(const std::string& server) const {
  const auto is_spare = [&](const v1::PartitionReplica& copy) {
    const auto other = servers_.find(copy.server());
    return copy.in_sync() && copy.server() != server && other != servers_.end() &&
           other->second.is_sound() && now_ - other->second.last_sync < options_.suspect_lease;
  };
  for (const auto& [number, job] : jobs_) {
    for (const v1::PartitionPlacement& placement : RecordOf(job).placement()) {
      const v1::PartitionReplica* copy = CopyOn(server, placement);
      if (copy == nullptr || !copy->in_sync()) continue;
      const auto& all = placement.replicas();
      if (std::none_of(all.begin(), all.end(), is_spare)) return true;
    }
  }
  return false;
}

void Coordinator::Fleet::CheckCopies() {
  for (auto& [number, job] : jobs_) {
    job.check_copies = true;
    Mark(number);
  }
}

void Coordinator::Fleet::TakeNearing(uint32_t partition, Job* job) {
  std::map<uint64_t, Nearing>& all = job->nearing[partition];
  const std::map<uint64_t, Nearing> before = std::exchange(all, {});
  for (const v1::BackupReport& backup : job->progress->reports()[partition].backups()) {
    if (backup.state() != v1::BackupReport::BEHIND) continue;
    const auto known = before.find(backup.replica());
    Nearing nearing{now_, backup.last_index()};
    if (known != before.end() && backup.last_index() <= known->second.last_index) {
      nearing = known->second;
    } else {
      job->stuck.erase({partition, backup.replica()});  // If its replacement could not be written.
    }
    if (now_ - nearing.since >= kStuck) {
      job->stuck.insert({partition, backup.replica()});
      nearing.since = now_;  // Where no other server is there, it has time again.
    }
    all[backup.replica()] = nearing;
  }
}

absl::Status Coordinator::Fleet::KeepCopies(Job* job) {
  const uint64_t number = job->number;
  const std::set<uint32_t> told = std::exchange(job->told, {});
  const auto stuck = std::exchange(job->stuck, {});
  bool check = std::exchange(job->check_copies, false) || !stuck.empty();
  if (told.empty() && !check) return absl::OkStatus();

  Edit edit(&records_);
  state::JobRecord after = RecordOf(*job);
  PartitionChanges changes;
  const auto note = [&changes](uint32_t p, const CopyChanges& some) {
    for (const CopyChange& change : some) changes.push_back({p, change});
  };
  for (const uint32_t p : told) {
    note(p, TakeReport(job->progress->reports()[p], after.mutable_placement(static_cast<int>(p))));
  }
  bool changed = !changes.empty();
  check |= changed;
  CopyServers servers = check ? ServersForCopies() : CopyServers();
  const v1::FleetSpec fleet = FleetOf(after);
  const std::string why =
      absl::StrCat("it has not come nearer for ", absl::FormatDuration(kStuck),
                   "; another takes its place");
  for (int p = 0; check && p < after.placement_size(); ++p) {
    v1::PartitionPlacement* placement = after.mutable_placement(p);
    const uint64_t config = placement->config();
    const CopiesWanted wanted{fleet.replicas(), fleet.min_in_sync(),
                              job->elements[static_cast<size_t>(p)]};
    uint64_t last_id = after.last_replica(p);
    for (auto it = stuck.lower_bound({p, 0}); it != stuck.end() && it->first == uint32_t(p); ++it) {
      note(it->first, Replace(it->second, why, wanted, &servers, &last_id, placement));
    }
    note(static_cast<uint32_t>(p),
         Upkeep(wanted, job->words[static_cast<uint32_t>(p)], &servers, &last_id, placement));
    after.set_last_replica(p, last_id);
    changed |= placement->config() != config;
  }
  if (!changed) return absl::OkStatus();
  *edit.job(number) = std::move(after);
  edit.Then([this, number, changes, holders = HoldersOf(RecordOf(*job))] {
    AfterCopies(number, holders, changes);
  });
  const absl::Status status = Commit(&edit);
  if (!status.ok()) {
    job->told.insert(told.begin(), told.end());
    job->stuck.insert(stuck.begin(), stuck.end());
    job->check_copies = true;
  }
  return status;
}

void Coordinator::Fleet::AfterCopies(uint64_t number, const std::set<std::string>& holders,
                                     const PartitionChanges& changes) {
  const state::JobRecord& record = records_.jobs().at(number);
  bool check = false;
  ChangeHolders(record);
  for (const std::string& id : holders) ChangeServer(id);  // Those that no longer hold anything.
  if (Job* job = FindJob(number); job != nullptr) {
    bool other_primary = false;
    for (const auto& [p, change] : changes) {
      // The server that sent it may send another now, of whichever job.
      if (change.kind != CopyChange::Kind::kAdded) check = true;
      if (change.kind == CopyChange::Kind::kRemoved || change.kind == CopyChange::Kind::kDiverged) {
        job->words[p].erase(change.replica);
      }
      if (change.kind != CopyChange::Kind::kPromoted) continue;
      other_primary = true;
      job->failovers[p] = {now_, job->progress->reports()[p].version()};
    }
    if (other_primary) ChangeWorkers(*job);
    Mark(number);
  } else {
    // Its parameters can still be read.
    for (const std::string& id : clients_[number]) ChangeWorker(id);
  }
  if (check) CheckCopies();
  EmitChanges(record, changes);
  for (const std::string& id : holders) TellDrained(id);
}

void Coordinator::Fleet::EmitChanges(const state::JobRecord& record,
                                     const PartitionChanges& changes) {
  // What happens to many partitions for one reason is told once.
  std::map<std::pair<int, std::string>, std::vector<uint32_t>> same;
  std::vector<CopyChange> in_order;
  for (const auto& [p, change] : changes) {
    std::vector<uint32_t>& partitions =
        same[{static_cast<int>(change.kind), absl::StrCat(change.server, "\n", change.why)}];
    if (partitions.empty()) in_order.push_back(change);
    partitions.push_back(p);
  }
  for (const CopyChange& change : in_order) {
    const std::vector<uint32_t>& partitions =
        same[{static_cast<int>(change.kind), absl::StrCat(change.server, "\n", change.why)}];
    Emit(record.job(), KindOf(change.kind), change.server,
         absl::StrCat(Name(partitions), ": ", Sentence(change),
                      partitions.size() == 1
                          ? Standing(record.placement(static_cast<int>(partitions[0])))
                          : ""));
  }
}

void Coordinator::Fleet::DetachServers(Edit* edit, const std::map<std::string, std::string>& lost) {
  const CopyServers servers = ServersForCopies();
  for (const auto& [number, record] : records_.jobs()) DetachCopies(edit, lost, record, servers);
  for (const auto& [id, why] : lost) {
    edit->RemoveServer(id);
    edit->Then([this, id = id, why = why] {
      EndSync(&servers_.at(id).parked, absl::FailedPreconditionError(why));
      server_leases_.End(id);
      servers_.erase(id);
      CheckCopies();
    });
  }
}

void Coordinator::Fleet::DetachCopies(Edit* edit, const std::map<std::string, std::string>& lost,
                                      const state::JobRecord& record, const CopyServers& servers) {
  const std::set<std::string> holders = HoldersOf(record);
  const bool holds_some = std::any_of(
      lost.begin(), lost.end(), [&](const auto& entry) { return holders.count(entry.first) > 0; });
  if (!holds_some) return;
  const uint64_t number = record.number();
  Job* job = FindJob(number);
  state::JobRecord* after = edit->job(number);
  PartitionChanges changes;
  std::vector<uint32_t> gone;
  for (int i = 0; i < after->placement_size(); ++i) {
    const auto p = static_cast<uint32_t>(i);
    v1::PartitionPlacement* placement = after->mutable_placement(i);
    const bool had_primary = !placement->server().empty();
    const CopyWords words = job == nullptr ? CopyWords() : job->words[p];
    for (const CopyChange& change : LoseServers(lost, words, servers, placement)) {
      changes.push_back({p, change});
    }
    if (had_primary && placement->server().empty()) gone.push_back(p);
  }
  if (job != nullptr && !gone.empty()) {
    std::vector<std::string> why;
    for (const auto& [id, reason] : lost) {
      if (holders.count(id) > 0) why.push_back(reason);
    }
    return LosePartitions(job, edit, absl::StrJoin(why, "; "), gone);
  }
  edit->Then([this, number, holders, changes] { AfterCopies(number, holders, changes); });
}

// The one place where a job's state is lost.
void Coordinator::Fleet::LosePartitions(Job* job, Edit* edit, const std::string& why,
                                        const std::vector<uint32_t>& lost) {
  const state::JobRecord& record = RecordOf(*job);
  const uint32_t replicas = FleetOf(record).replicas();
  const std::string share = absl::StrCat(lost.size(), " of ", record.placement_size());
  Restore(job, edit,
          replicas == 1 ? absl::StrCat(why, "; it held ", share, " partitions (replicas: 1)")
                        : absl::StrCat(why, "; no copy in sync is left of ", Name(lost), " (",
                                       share, "; replicas: ", replicas, ")"));
}

uint64_t Coordinator::Fleet::CopiesOn(const std::string& server) const {
  uint64_t copies = 0;
  for (const auto& [number, job] : jobs_) {
    for (const v1::PartitionPlacement& p : RecordOf(job).placement()) {
      copies += CopyOn(server, p) != nullptr;
    }
  }
  return copies;
}

void Coordinator::Fleet::TellDrained(const std::string& server) {
  const auto it = records_.servers().find(server);
  if (it == records_.servers().end() || !it->second.draining() || CopiesOn(server) > 0) return;
  Emit("", EventKind::kServerDrained, server,
       absl::StrCat("server ", server, " holds no copy of a running job: it can be stopped"));
}

}  // namespace paceline
