// One partition where it is kept and not served: follows the primary's log.
//
// Shapes   An Append's gradients are [entries * elements] float32; an Install's floats [elements].
// Errors   FailedPrecondition: the sender's term is over. InvalidArgument: the frame is wrong.
//          Nothing has changed then.
// Threads  One thread at a time.
// Source   docs/protocol.md, "Replication"; proto/replica.proto.
//
// It holds entries as they come and applies committed ones only. A primary that has stepped down
// has applied some that are not committed: they count as held while the new primary's log has them
// too. If it has not, the state cannot go back, and waits as it is for a whole partition: until
// then it is still a copy from which all that was ever acknowledged can be served.
#ifndef PACELINE_SERVER_PARTITION_BACKUP_H_
#define PACELINE_SERVER_PARTITION_BACKUP_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/tensor/block.h"
#include "proto/control.pb.h"
#include "proto/replica.pb.h"
#include "server/partition/replicated_state.h"
#include "server/replica/log.h"

namespace paceline {

class PartitionBackup {
 public:
  // Where a copy stands: its state, null if it has none, and the log's entries after the state's
  // committed ones, some of which the state may have appended.
  struct Standing {
    std::unique_ptr<ReplicatedState> state;
    std::deque<LogEntry> uncommitted;
  };

  PartitionBackup(std::shared_ptr<const StateShape> shape, uint64_t term, Standing standing);

  absl::StatusOr<v1::ReplicaReply> OnAppend(const v1::AppendHeader& header,
                                            const BlockRef& gradients);
  absl::StatusOr<v1::ReplicaReply> OnInstall(const v1::InstallHeader& header,
                                             std::shared_ptr<Block> floats);

  // The term is at least this.
  void OnTerm(uint64_t term);

  bool has_state() const { return state_ != nullptr; }
  // Null: none yet.
  const ReplicatedState* state() const { return state_.get(); }
  uint64_t term() const { return term_; }
  // The newest entry it holds.
  uint64_t last_index() const { return committed_ + entries_.size(); }

  // Gives everything away, all that is held appended to the state; the backup is of no use
  // afterwards. Only with a state.
  Standing Promote();

  // In the fields that backups have.
  v1::PartitionReport Report() const;

 private:
  // An install under way.
  struct Assembly {
    v1::InstallHeader first;
    std::vector<std::shared_ptr<Block>> arrays;
    uint32_t next = 0;
  };

  absl::Status CheckTerm(const v1::ReplicaKey& key) const;
  absl::StatusOr<std::deque<LogEntry>> Decode(const v1::AppendHeader& header,
                                              const BlockRef& gradients) const;
  absl::Status CheckArray(const v1::InstallHeader& header, const Block* floats) const;
  // Whether the log has that entry; what is committed is the same in every log.
  bool Has(uint64_t index, uint64_t term) const;
  // Takes what is new. False: the state has applied something else.
  bool Take(std::deque<LogEntry> entries);
  void ApplyCommitted(uint64_t committed);
  void Finish();
  v1::ReplicaReply Reply(uint64_t last_index) const;

  const std::shared_ptr<const StateShape> shape_;
  uint64_t term_ = 0;
  std::unique_ptr<ReplicatedState> state_;
  // Entries committed_ + 1 and on. The first of them may be in the state already.
  std::deque<LogEntry> entries_;
  uint64_t committed_ = 0;
  // Up to here the log is the one of term_'s primary.
  uint64_t matched_ = 0;
  std::unique_ptr<Assembly> assembly_;
};

}  // namespace paceline

#endif  // PACELINE_SERVER_PARTITION_BACKUP_H_
