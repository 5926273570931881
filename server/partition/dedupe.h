// What a partition has applied: data shards, and each worker's clock. The reason a push counts
// once.
//
// Two stages, because the log commits later than it is written once there are replicas: *appended*
// is in the log and must not be written again; *applied* is committed and may be acknowledged.
// With one replica the two differ only inside one event.
//
// Units    Data shards are ordinals over all epochs; clocks are the worker's own.
// Errors   FailedPrecondition: a message of an older incarnation. ResourceExhausted: more than
//          kWorkersMax workers. Nothing has changed then.
// Threads  One thread at a time.
// Source   docs/protocol.md, "What makes a push count once".
#ifndef PACELINE_SERVER_PARTITION_DEDUPE_H_
#define PACELINE_SERVER_PARTITION_DEDUPE_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "absl/types/span.h"
#include "proto/replica.pb.h"
#include "server/replica/log.h"

namespace paceline {

// A set of data shards: all below a mark, and disjoint extents above it.
class ShardSet {
 public:
  enum class Overlap { kNone, kSome, kAll };

  // How much of the extent is in the set. An empty extent is kAll.
  Overlap Classify(ShardExtent extent) const;

  // InvalidArgument: the extents do not ascend, or lie below the mark or beyond 2^64 - 1.
  static absl::StatusOr<ShardSet> Restore(
      uint64_t below, const google::protobuf::RepeatedPtrField<v1::ShardExtent>& extents);

  // The end of the extent must not lie beyond 2^64 - 1. What is in the set already stays.
  void Add(ShardExtent extent);

  uint64_t below() const { return below_; }
  // Ascending, not touching one another or the mark.
  std::vector<ShardExtent> extents() const;

 private:
  uint64_t below_ = 0;
  std::map<uint64_t, uint64_t> ends_;  // First data shard of an extent above the mark -> its end.
};

// What is known of the data shards or clock of one push.
enum class Seen {
  kNew,       // None of it is in the log: apply it.
  kAppended,  // All of it is in the log, not all is committed: acknowledge it when it is.
  kApplied,   // All of it is committed: acknowledge it.
  kMixed,     // Some is in the log and some is not: the sender is wrong.
};

class Dedupe {
 public:
  // What EncodeAppended wrote, all of it applied. InvalidArgument: no such state can be.
  static absl::StatusOr<Dedupe> Restore(const v1::PartitionState& state);

  // More than any fleet has; bounds what senders that make up names can cost.
  static constexpr size_t kWorkersMax = 131072;

  // Compares with the newest incarnation known of that worker; a newer one is not remembered yet.
  absl::Status CheckIncarnation(absl::string_view worker, uint64_t incarnation) const;

  // Remembers a newer incarnation, which starts without a clock.
  absl::Status Meet(absl::string_view worker, uint64_t incarnation);

  Seen ClassifyShards(absl::Span<const ShardExtent> shards) const;
  // Bare parameters: by the clock of that incarnation.
  Seen ClassifyClock(absl::string_view worker, uint64_t incarnation, uint64_t clock) const;

  // The log has taken, or has committed, an entry. A clock below the worker's is ignored.
  void Appended(const LogEntry& entry);
  void Applied(const LogEntry& entry);

  // A push that was a duplicate is acknowledged: its clock is over for this partition as well. Not
  // in the log: a new primary hears it again with the worker's next push.
  void Acknowledged(absl::string_view worker, uint64_t incarnation, uint64_t clock);

  // The last committed clock of that incarnation, if it has one and is the newest known.
  absl::optional<uint64_t> Clock(absl::string_view worker, uint64_t incarnation) const;

  const ShardSet& appended() const { return appended_; }
  const ShardSet& applied() const { return applied_; }

  // What is known once all that is appended is applied.
  void EncodeAppended(v1::PartitionState* state) const;

 private:
  struct Worker {
    uint64_t incarnation = 0;
    absl::optional<uint64_t> appended_clock;
    absl::optional<uint64_t> applied_clock;
  };

  // The entry's worker, if the incarnation is the newest known; else null.
  Worker* Find(absl::string_view worker, uint64_t incarnation);

  ShardSet appended_;
  ShardSet applied_;
  std::map<std::string, Worker, std::less<>> workers_;
};

}  // namespace paceline

#endif  // PACELINE_SERVER_PARTITION_DEDUPE_H_
