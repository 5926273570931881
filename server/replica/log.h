// The log of one partition: one entry for each applied round or push, in order, before it counts.
//
// Shapes   An entry's gradient is elements [gradient_begin, gradient_begin + n) of its block, n the
//          partition's elements.
// Units    Indices count from 1 without gaps; an entry is committed when every copy that counts has
//          it, and then so are all before it.
// Threads  One object, one thread at a time.
// Source   docs/protocol.md, "What makes a push count once", "Replication".
//
// The log carries records, it does not read them: what an entry means is server/partition's
// business.
#ifndef PACELINE_SERVER_REPLICA_LOG_H_
#define PACELINE_SERVER_REPLICA_LOG_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "common/tensor/block.h"

namespace paceline {

// Consecutive data shards, by ordinal.
struct ShardExtent {
  uint64_t first = 0;
  uint64_t count = 0;
};

// Everything a replica needs to make version `step` out of version `step` - 1, and to know again
// what has been applied.
struct LogEntry {
  enum class Kind { kRound, kPush };

  uint64_t term = 0;
  uint64_t index = 0;
  Kind kind = Kind::kRound;

  // kPush: who pushed; kRound: nobody in particular.
  std::string worker;
  uint64_t incarnation = 0;
  // kPush: the worker's own; kRound: the version the round starts from.
  uint64_t clock = 0;
  // Empty for a push of bare parameters, which (worker, incarnation, clock) identifies.
  std::vector<ShardExtent> shards;

  uint64_t base_version = 0;
  // The optimizer's step, 1 on the first; also the version that this entry makes.
  uint64_t step = 0;
  // (1 / weight) * damping * norm factor: what the optimizer multiplies the gradient by.
  double gradient_scale = 1;
  BlockRef gradient;
  uint64_t gradient_begin = 0;

  double weight = 0;
  uint64_t samples = 0;
  double loss_sum = 0;
  uint64_t correct = 0;
  uint64_t staleness = 0;
  // Pushes that were taken into it; 1 for kPush.
  uint64_t pushes = 1;
  bool damped = false;
  // kRound with clip_global_norm: the squared norm of each block of the merged gradient.
  std::vector<double> square_norms;
  // quorum: those of `shards` that are not in it, ascending; and those of earlier rounds that are.
  std::vector<ShardExtent> dropped;
  std::vector<ShardExtent> carried;
};

// What a log keeps of committed entries for backups that are behind.
struct LogLimits {
  size_t entries_max = 65536;
  // Bytes of the gradients' whole blocks.
  size_t bytes_max = size_t{256} << 20;
};

// How a primary keeps its backups; docs/protocol.md, "Replication".
struct ReplicationOptions {
  LogLimits log;
  // A backup hears from its primary at least this often.
  absl::Duration heartbeat = absl::Milliseconds(100);
  // How long an answer of a backup holds it back from serving as primary of a later term.
  absl::Duration promise = absl::Milliseconds(500);
  // A backup in sync that is silent for longer is reported LAGGING.
  absl::Duration lagging_after = absl::Seconds(1);
  // acks: leader. What may be acknowledged beyond what is committed: entries, and bytes of their
  // gradients; at least one entry.
  uint64_t ahead_entries_max = 64;
  size_t ahead_bytes_max = size_t{32} << 20;
};

// Where a partition's primary writes its entries, and what it may do just now.
class ReplicaLog {
 public:
  virtual ~ReplicaLog() = default;

  // Takes the entry, whose index is the last one's plus one. Returns the index up to which entries
  // are committed now; when that grows later, whoever drives the replication tells the partition
  // (PartitionPrimary::OnCommitted), never from inside this call.
  virtual uint64_t Append(absl::Time now, LogEntry entry) = 0;

  // Copies in sync, this one included, and how many there must be for anything to be appended.
  virtual uint32_t copies_in_sync() const = 0;
  virtual uint32_t min_in_sync() const = 0;
  bool may_append() const { return copies_in_sync() >= min_in_sync(); }

  // Entries up to here may be acknowledged: the committed ones, and with acks: leader so many more.
  virtual uint64_t acknowledgeable() const = 0;

  // Whether no later primary can be serving yet, so that what is read here is the newest.
  virtual bool may_answer(absl::Time now) const = 0;

  // The servers of the copies that count and have not acknowledged the entry `index`; and of those
  // whose promise may_answer is waiting for.
  virtual std::vector<std::string> Awaited(uint64_t index) const = 0;
  virtual std::vector<std::string> Unpromised(absl::Time now) const = 0;
};

}  // namespace paceline

#endif  // PACELINE_SERVER_REPLICA_LOG_H_
