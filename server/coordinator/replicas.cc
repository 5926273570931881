#include "server/coordinator/replicas.h"

#include <algorithm>
#include <functional>
#include <set>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"

namespace paceline {
namespace {

using Kind = CopyChange::Kind;
using Replica = v1::PartitionReplica;

// What one server's primaries may be sending at once: so many copies, or so many elements. The
// network is the workers' too.
constexpr uint32_t kSendingMax = 2;
constexpr uint64_t kElementsSendingMax = uint64_t{16} << 20;  // 64 MiB.

void Raise(v1::PartitionPlacement* placement) { placement->set_config(placement->config() + 1); }

// Its place among the copies; replicas_size(): nowhere.
int PlaceOf(uint64_t id, const v1::PartitionPlacement& placement) {
  const auto& copies = placement.replicas();
  return static_cast<int>(std::find_if(copies.begin(), copies.end(),
                                       [id](const Replica& copy) { return copy.id() == id; }) -
                          copies.begin());
}

Replica* Find(uint64_t id, v1::PartitionPlacement* placement) {
  const int place = PlaceOf(id, *placement);
  return place == placement->replicas_size() ? nullptr : placement->mutable_replicas(place);
}

bool IsPrimary(const Replica& copy, const v1::PartitionPlacement& placement) {
  return copy.server() == placement.server();
}

int Count(const v1::PartitionPlacement& placement, const std::function<bool(const Replica&)>& is) {
  return static_cast<int>(
      std::count_if(placement.replicas().begin(), placement.replicas().end(), is));
}

bool IsSound(const Replica& copy, const CopyServers& servers) {
  const auto it = servers.find(copy.server());
  return it != servers.end() && it->second.is_sound;
}

bool Stays(const Replica& copy) { return !copy.leaving(); }
bool StaysInSync(const Replica& copy) { return !copy.leaving() && copy.in_sync(); }

void Remove(uint64_t id, const std::string& why, v1::PartitionPlacement* placement,
            CopyChanges* changes) {
  const int place = PlaceOf(id, *placement);
  PACELINE_CHECK(place < placement->replicas_size());
  changes->push_back({Kind::kRemoved, id, placement->replicas(place).server(), why});
  placement->mutable_replicas()->DeleteSubrange(place, 1);
}

CopyWord WordOf(const CopyWords& words, const Replica& copy) {
  const auto it = words.find(copy.id());
  return it == words.end() ? CopyWord() : it->second;
}

// The copy that is to be primary of those that `may` be; null: none.
const Replica* Best(const v1::PartitionPlacement& placement, const CopyWords& words,
                    const CopyServers& servers, const std::function<bool(const Replica&)>& may) {
  const auto rank = [&](const Replica& copy) {
    const auto server = servers.find(copy.server());
    const bool is_sound = server != servers.end() && server->second.is_sound;
    return std::make_tuple(!is_sound, copy.leaving(), ~WordOf(words, copy).last_index, copy.id());
  };
  const Replica* best = nullptr;
  for (const Replica& copy : placement.replicas()) {
    if (!may(copy)) continue;
    if (best == nullptr || rank(copy) < rank(*best)) best = &copy;
  }
  return best;
}

std::map<std::string, int> CopiesByZone(const v1::PartitionPlacement& placement,
                                        const CopyServers& servers) {
  std::map<std::string, int> zones;
  for (const Replica& copy : placement.replicas()) {
    const auto it = servers.find(copy.server());
    if (it != servers.end() && Stays(copy)) ++zones[it->second.zone];
  }
  return zones;
}

// Where another copy goes; null: nowhere.
CopyServer* BestServer(const v1::PartitionPlacement& placement, CopyServers* servers) {
  std::map<std::string, int> zones = CopiesByZone(placement, *servers);
  CopyServer* best = nullptr;
  for (auto& [id, server] : *servers) {
    if (!server.takes_copies || CopyOn(id, placement) != nullptr) continue;
    const auto rank = [&](const CopyServer& s) {
      return std::make_tuple(zones[s.zone], s.elements);
    };
    if (best == nullptr || rank(server) < rank(*best)) best = &server;
  }
  return best;
}

// How many copies that stay there can be at most. A server that takes none for the moment may soon.
int Possible(const v1::PartitionPlacement& placement, const CopyServers& servers) {
  auto possible = std::count_if(servers.begin(), servers.end(),
                                [](const auto& entry) { return !entry.second.is_draining; });
  for (const Replica& copy : placement.replicas()) {
    const auto it = servers.find(copy.server());
    const bool is_counted = it != servers.end() && !it->second.is_draining;
    if (Stays(copy) && !is_counted) ++possible;
  }
  return static_cast<int>(possible);
}

bool LeaveDraining(const CopyServers& servers, v1::PartitionPlacement* placement) {
  bool changed = false;
  for (Replica& copy : *placement->mutable_replicas()) {
    const auto it = servers.find(copy.server());
    if (it == servers.end() || !it->second.is_draining || copy.leaving()) continue;
    copy.set_leaving(true);
    changed = true;
  }
  return changed;
}

// A copy that was to leave a server which takes others, and has no place to go; null: none.
Replica* Recall(const CopyServers& servers, v1::PartitionPlacement* placement) {
  for (Replica& copy : *placement->mutable_replicas()) {
    const auto it = servers.find(copy.server());
    if (copy.leaving() && it != servers.end() && it->second.takes_copies) return &copy;
  }
  return nullptr;
}

// Where the primary is, if that server may send another copy; null: not now.
CopyServer* Sender(const v1::PartitionPlacement& placement, CopyServers* servers) {
  const auto it = servers->find(placement.server());
  if (it == servers->end()) return nullptr;
  const CopyServer& server = it->second;
  const bool may = server.sending < kSendingMax || server.elements_sending < kElementsSendingMax;
  return may ? &it->second : nullptr;
}

void Add(const CopiesWanted& wanted, CopyServer* server, uint64_t* last_id,
         v1::PartitionPlacement* placement, CopyChanges* changes) {
  const Replica* copy = AddCopy(*server, ++*last_id, placement);
  server->elements += wanted.elements;
  changes->push_back({Kind::kAdded, copy->id(), copy->server(), ""});
}

bool AddMissing(const CopiesWanted& wanted, int target, CopyServers* servers, uint64_t* last_id,
                v1::PartitionPlacement* placement, CopyChanges* changes) {
  bool changed = false;
  while (Count(*placement, Stays) < target) {
    if (CopyServer* server = BestServer(*placement, servers); server != nullptr) {
      CopyServer* sender = Sender(*placement, servers);
      if (sender == nullptr) break;
      ++sender->sending;
      sender->elements_sending += wanted.elements;
      Add(wanted, server, last_id, placement, changes);
    } else if (Replica* copy = Recall(*servers, placement); copy != nullptr) {
      copy->set_leaving(false);
      servers->at(copy->server()).elements += wanted.elements;
    } else {
      break;
    }
    changed = true;
  }
  return changed;
}

// The copy that is missed least.
uint64_t LeastWanted(const v1::PartitionPlacement& placement, const CopyServers& servers) {
  std::map<std::string, int> zones = CopiesByZone(placement, servers);
  const auto rank = [&](const Replica& copy) {
    const auto it = servers.find(copy.server());
    const CopyServer server = it == servers.end() ? CopyServer() : it->second;
    return std::make_tuple(!copy.in_sync(), zones[server.zone], server.elements, copy.id());
  };
  const Replica* least = nullptr;
  for (const Replica& copy : placement.replicas()) {
    if (copy.leaving() || IsPrimary(copy, placement)) continue;
    if (least == nullptr || rank(copy) > rank(*least)) least = &copy;
  }
  return least == nullptr ? 0 : least->id();
}

bool LeaveSurplus(const CopiesWanted& wanted, CopyServers* servers,
                  v1::PartitionPlacement* placement) {
  bool changed = false;
  while (Count(*placement, Stays) > static_cast<int>(wanted.replicas)) {
    Replica* copy = Find(LeastWanted(*placement, *servers), placement);
    if (copy == nullptr) break;
    copy->set_leaving(true);
    changed = true;
    const auto it = servers->find(copy->server());
    if (it == servers->end()) continue;
    it->second.elements -= std::min(it->second.elements, wanted.elements);
  }
  return changed;
}

// Without `is_told` nobody can have heard of the placement as it is.
void LetLeave(int needed, bool is_told, const CopyWords& words, const CopyServers& servers,
              v1::PartitionPlacement* placement, CopyChanges* changes) {
  const auto is_sure = [&](const Replica& copy) {
    return StaysInSync(copy) && IsSound(copy, servers) &&
           WordOf(words, copy).config == placement->config();
  };
  const bool enough = is_told && Count(*placement, is_sure) >= std::max(needed, 1);
  const Replica* primary = PrimaryOf(*placement);
  if (enough && primary->leaving()) {
    const Replica* next = Best(*placement, words, servers, is_sure);
    const CopyChanges promoted =
        Promote(next->server(), absl::StrCat(primary->server(), " gives it away"), placement);
    changes->insert(changes->end(), promoted.begin(), promoted.end());
    return;  // Nobody has heard of it yet.
  }
  std::vector<uint64_t> gone;
  for (const Replica& copy : placement->replicas()) {
    if (!copy.leaving() || IsPrimary(copy, *placement)) continue;
    if (enough || !copy.in_sync()) gone.push_back(copy.id());
  }
  for (const uint64_t id : gone) Remove(id, "it was to leave its server", placement, changes);
}

}  // namespace

const Replica* CopyOn(const std::string& server, const v1::PartitionPlacement& placement) {
  for (const Replica& copy : placement.replicas()) {
    if (copy.server() == server) return &copy;
  }
  return nullptr;
}

const Replica* PrimaryOf(const v1::PartitionPlacement& placement) {
  return placement.server().empty() ? nullptr : CopyOn(placement.server(), placement);
}

uint32_t InSyncOf(const v1::PartitionPlacement& placement) {
  return static_cast<uint32_t>(
      Count(placement, [](const Replica& copy) { return copy.in_sync(); }));
}

Replica* AddCopy(const CopyServer& server, uint64_t id, v1::PartitionPlacement* placement) {
  PACELINE_CHECK(CopyOn(server.server.id(), *placement) == nullptr);
  Replica* copy = placement->add_replicas();
  copy->set_id(id);
  copy->set_server(server.server.id());
  copy->set_server_incarnation(server.server.incarnation());
  copy->set_address(server.address);
  return copy;
}

CopyChanges Promote(const std::string& server, const std::string& why,
                    v1::PartitionPlacement* placement) {
  const Replica* copy = CopyOn(server, *placement);
  PACELINE_CHECK(copy != nullptr && copy->in_sync());
  placement->set_term(placement->term() + 1);
  placement->set_server(copy->server());
  placement->set_server_incarnation(copy->server_incarnation());
  placement->set_address(copy->address());
  Raise(placement);
  return {{Kind::kPromoted, copy->id(), copy->server(), why}};
}

CopyChanges ChangesIn(const v1::PartitionReport& report, const v1::PartitionPlacement& placement) {
  const Replica* primary = PrimaryOf(placement);
  const bool is_its = primary != nullptr && report.replica() == primary->id() &&
                      report.term() == placement.term() && report.config() == placement.config();
  if (!is_its) return {};
  CopyChanges changes;
  std::set<uint64_t> spoken_of;
  for (const v1::BackupReport& backup : report.backups()) {
    const int place = PlaceOf(backup.replica(), placement);
    if (place == placement.replicas_size()) continue;
    const Replica& copy = placement.replicas(place);
    if (IsPrimary(copy, placement) || !spoken_of.insert(copy.id()).second) continue;
    if (backup.state() == v1::BackupReport::CAUGHT_UP && !copy.in_sync()) {
      changes.push_back({Kind::kInSync, copy.id(), copy.server(), ""});
    } else if (backup.state() == v1::BackupReport::LAGGING) {
      // Even if it is not in sync here: the primary, which has called it CAUGHT_UP, waits for it
      // until a new config says otherwise.
      changes.push_back({Kind::kOutOfSync, copy.id(), copy.server(), ""});
    } else if (backup.state() == v1::BackupReport::DIVERGED) {
      changes.push_back({Kind::kDiverged, copy.id(), copy.server(), ""});
    }
  }
  return changes;
}

CopyChanges TakeReport(const v1::PartitionReport& report, v1::PartitionPlacement* placement) {
  const CopyChanges changes = ChangesIn(report, *placement);
  for (const CopyChange& change : changes) {
    if (change.kind == Kind::kDiverged) {
      placement->mutable_replicas()->DeleteSubrange(PlaceOf(change.replica, *placement), 1);
    } else {
      Find(change.replica, placement)->set_in_sync(change.kind == Kind::kInSync);
    }
  }
  if (!changes.empty()) Raise(placement);
  return changes;
}

CopyChanges LoseServers(const std::map<std::string, std::string>& lost, const CopyWords& words,
                        const CopyServers& servers, v1::PartitionPlacement* placement) {
  CopyChanges changes;
  for (const auto& [id, why] : lost) {
    const Replica* copy = CopyOn(id, *placement);
    if (copy != nullptr) Remove(copy->id(), why, placement, &changes);
  }
  const auto primary = lost.find(placement->server());
  if (primary == lost.end()) {
    if (!changes.empty()) Raise(placement);
    return changes;
  }
  const Replica* next =
      Best(*placement, words, servers, [](const Replica& copy) { return copy.in_sync(); });
  if (next != nullptr) {
    const CopyChanges promoted = Promote(next->server(), primary->second, placement);
    changes.insert(changes.end(), promoted.begin(), promoted.end());
    return changes;
  }
  placement->clear_server();
  placement->clear_server_incarnation();
  placement->clear_address();
  Raise(placement);
  return changes;
}

CopyChanges Replace(uint64_t id, const std::string& why, const CopiesWanted& wanted,
                    CopyServers* servers, uint64_t* last_id, v1::PartitionPlacement* placement) {
  CopyServer* server = BestServer(*placement, servers);
  const Replica* old = Find(id, placement);
  if (server == nullptr || old == nullptr || old->in_sync() || old->leaving()) return {};
  CopyChanges changes;
  Add(wanted, server, last_id, placement, &changes);
  Remove(id, why, placement, &changes);
  Raise(placement);
  return changes;
}

CopyChanges Upkeep(const CopiesWanted& wanted, const CopyWords& words, CopyServers* servers,
                   uint64_t* last_id, v1::PartitionPlacement* placement) {
  CopyChanges changes;
  if (PrimaryOf(*placement) == nullptr) return changes;
  bool changed = LeaveDraining(*servers, placement);
  const int target = std::min(static_cast<int>(wanted.replicas), Possible(*placement, *servers));
  changed |= AddMissing(wanted, target, servers, last_id, placement, &changes);
  changed |= LeaveSurplus(wanted, servers, placement);
  const uint64_t term = placement->term();
  LetLeave(std::max(target, static_cast<int>(wanted.min_in_sync)), !changed, words, *servers,
           placement, &changes);
  // A promotion has raised it already.
  if ((changed || !changes.empty()) && placement->term() == term) Raise(placement);
  return changes;
}

}  // namespace paceline
