// What the newest quorum rounds were closed without, and no later round has taken: the data shards
// that may still be carried, each once.
//
// Errors   Restore: InvalidArgument: rounds or data shards that no log can have left.
// Threads  One thread at a time.
// Source   docs/protocol.md, "Consistency".
#ifndef PACELINE_SERVER_PARTITION_DROPPED_SHARDS_H_
#define PACELINE_SERVER_PARTITION_DROPPED_SHARDS_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

#include "absl/status/statusor.h"
#include "proto/replica.pb.h"
#include "server/replica/log.h"

namespace paceline {

class DroppedShards {
 public:
  // A gradient of an older round than so many versions ago is of no use any more.
  static constexpr uint64_t kVersionsKept = 8;

  // What Encode wrote.
  static absl::StatusOr<DroppedShards> Restore(const v1::PartitionState& state);

  // The log has taken an entry.
  void Appended(const LogEntry& entry);

  // Whether all of the extent is there.
  bool Contains(ShardExtent extent) const;

  void Encode(v1::PartitionState* state) const;

 private:
  struct Round {
    uint64_t version = 0;             // That it made.
    std::vector<ShardExtent> shards;  // Ascending, at least one.
  };

  void Take(ShardExtent extent);

  std::deque<Round> rounds_;  // Ascending.
};

}  // namespace paceline

#endif  // PACELINE_SERVER_PARTITION_DROPPED_SHARDS_H_
