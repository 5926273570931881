// What becomes of one partition's copies: which is primary, which are in sync, which come and go.
//
// Each function that changes a placement raises its config, and tells what it changed.
//
// Shapes   A placement holds at most one copy on each server. The primary's copy is in sync.
// Threads  Pure functions.
// Source   docs/protocol.md, "Replication".
#ifndef PACELINE_SERVER_COORDINATOR_REPLICAS_H_
#define PACELINE_SERVER_COORDINATOR_REPLICAS_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "proto/control.pb.h"

namespace paceline {

struct CopyChange {
  enum class Kind { kAdded, kInSync, kOutOfSync, kDiverged, kRemoved, kPromoted };
  Kind kind = Kind::kAdded;
  uint64_t replica = 0;
  std::string server;
  std::string why;
};
using CopyChanges = std::vector<CopyChange>;

// A server that is there, as far as copies go.
struct CopyServer {
  v1::ServerIdentity server;
  std::string address;
  std::string zone;
  uint64_t elements = 0;   // Of its copies, without those that leave.
  uint64_t primaries = 0;  // Elements of those that are primaries.
  bool takes_copies = false;
  bool is_draining = false;
  bool is_sound = false;  // Nothing says that its process has died.
  // Of copies that its primaries bring up to date: how many, and their elements.
  uint32_t sending = 0;
  uint64_t elements_sending = 0;
};
using CopyServers = std::map<std::string, CopyServer>;  // By id.

// What a copy has said of itself last.
struct CopyWord {
  uint64_t last_index = 0;  // The newest entry in its log.
  uint64_t config = 0;      // The newest that it follows.
};
using CopyWords = std::map<uint64_t, CopyWord>;  // By PartitionReplica.id; absent: nothing yet.

struct CopiesWanted {
  uint32_t replicas = 1;
  uint32_t min_in_sync = 1;
  uint64_t elements = 0;  // Of the partition.
};

// The primary's copy, or the one on `server`; null: there is none.
const v1::PartitionReplica* PrimaryOf(const v1::PartitionPlacement& placement);
const v1::PartitionReplica* CopyOn(const std::string& server,
                                   const v1::PartitionPlacement& placement);

// Copies in sync.
uint32_t InSyncOf(const v1::PartitionPlacement& placement);

// Adds a copy without raising the config: for a placement that is made, and for Upkeep.
v1::PartitionReplica* AddCopy(const CopyServer& server, uint64_t id,
                              v1::PartitionPlacement* placement);

// Makes the copy on `server` primary, which must be in sync, under a new term.
CopyChanges Promote(const std::string& server, const std::string& why,
                    v1::PartitionPlacement* placement);

// What the primary's word on its backups changes. Nothing, if the report is of another term, config
// or copy than the placement's.
CopyChanges ChangesIn(const v1::PartitionReport& report, const v1::PartitionPlacement& placement);
// Makes those changes.
CopyChanges TakeReport(const v1::PartitionReport& report, v1::PartitionPlacement* placement);

// Takes out the copies on `lost` servers (id -> why). If the primary's is among them, the best one
// of those in sync becomes primary: on a sound server, not leaving, with the longest log, the
// lowest id. If none is left in sync the placement has no primary: the partition's state is lost.
CopyChanges LoseServers(const std::map<std::string, std::string>& lost, const CopyWords& words,
                        const CopyServers& servers, v1::PartitionPlacement* placement);

// Puts another copy in the place of copy `id`, unless that is in sync or leaving. Nothing changes if
// no server without a copy takes one.
CopyChanges Replace(uint64_t id, const std::string& why, const CopiesWanted& wanted,
                    CopyServers* servers, uint64_t* last_id, v1::PartitionPlacement* placement);

// Makes the copies what is wanted, as far as servers allow and safety has it so far: copies on
// draining servers leave; missing ones are added, a few at a time for each primary's server (what is
// in `servers` follows; `last_id` is the largest id ever given); surplus ones are dropped; those that
// leave go once as many others are in sync as can be, and at least min_in_sync. Doing it twice
// changes nothing more.
CopyChanges Upkeep(const CopiesWanted& wanted, const CopyWords& words, CopyServers* servers,
                   uint64_t* last_id, v1::PartitionPlacement* placement);

}  // namespace paceline

#endif  // PACELINE_SERVER_COORDINATOR_REPLICAS_H_
