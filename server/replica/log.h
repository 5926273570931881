// The log of one partition: one entry for each applied round or push, in order, before it counts.
//
// Shapes   An entry's gradient is elements [gradient_begin, gradient_begin + n) of its block, n the
//          partition's elements.
// Units    Indices count from 1 without gaps; an entry is committed when every in-sync replica has
//          it, and then so are all before it.
// Threads  One object, one thread at a time.
// Source   docs/protocol.md, "What makes a push count once".
//
// The log carries records, it does not read them: what an entry means is server/partition's
// business.
#ifndef PACELINE_SERVER_REPLICA_LOG_H_
#define PACELINE_SERVER_REPLICA_LOG_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

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
};

// Where a partition's primary writes its entries.
class ReplicaLog {
 public:
  virtual ~ReplicaLog() = default;

  // Takes the entry, whose index is the last one's plus one. Returns the index up to which entries
  // are committed now; when that grows later, whoever drives the replication tells the partition
  // (PartitionPrimary::OnCommitted), never from inside this call.
  virtual uint64_t Append(LogEntry entry) = 0;
};

// The log of a partition with one replica: an entry is committed as soon as it is here. The newest
// entries are kept, bounded, so that they can be shipped to a backup.
class LocalLog final : public ReplicaLog {
 public:
  struct Limits {
    size_t entries_max = 8;
    // Bytes of the gradients' whole blocks.
    size_t bytes_max = size_t{8} << 20;
  };

  explicit LocalLog(Limits limits);

  uint64_t Append(LogEntry entry) override;

  // The entries kept, ascending; none if the newest alone is over the limit.
  const std::deque<LogEntry>& entries() const { return entries_; }
  size_t bytes() const { return bytes_; }

 private:
  void Truncate();

  const Limits limits_;
  std::deque<LogEntry> entries_;
  size_t bytes_ = 0;
  uint64_t last_index_ = 0;
};

}  // namespace paceline

#endif  // PACELINE_SERVER_REPLICA_LOG_H_
