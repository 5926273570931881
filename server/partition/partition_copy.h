// One server's copy of a partition, which serves it as its primary or keeps it as a backup, and
// goes from one to the other as directives say.
//
// Errors   Calls of workers at a backup are FAILED_PRECONDITION. OnDirective: FailedPrecondition,
//          InvalidArgument: it cannot be followed, and the copy is as it was.
// Threads  One thread at a time.
// Source   docs/protocol.md, "Replication".
//
// Here is what both roles share: the term, and the promise not to serve before its time.
#ifndef PACELINE_SERVER_PARTITION_PARTITION_COPY_H_
#define PACELINE_SERVER_PARTITION_PARTITION_COPY_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "common/tensor/block.h"
#include "proto/control.pb.h"
#include "proto/parameter.pb.h"
#include "proto/replica.pb.h"
#include "server/checkpoint/partition_image.h"
#include "server/partition/answer.h"
#include "server/partition/backup.h"
#include "server/partition/checkpoint_duty.h"
#include "server/partition/checkpoint_work.h"
#include "server/partition/partition.h"
#include "server/partition/partition_spec.h"
#include "server/partition/replicated_state.h"
#include "server/replica/log.h"
#include "server/replica/replica_call.h"
#include "server/replica/replicator.h"

namespace paceline {

class PartitionCopy {
 public:
  using Answers = std::vector<Answer>;

  struct Options {
    ReplicationOptions replication;
    uint64_t digest_interval = 256;
    std::function<uint64_t()> next_call;
  };

  // A backup, for OnDirective to make more of. `initial`: version 0; null: it has no state yet.
  //   InvalidArgument   the optimizer's values are wrong.
  static absl::StatusOr<std::unique_ptr<PartitionCopy>> Create(Options options, PartitionSpec spec,
                                                               uint64_t replica, BlockRef initial);
  // The same with a checkpoint's state, which is taken for committed under `term`.
  //   InvalidArgument   also: the image cannot be of this partition.
  static absl::StatusOr<std::unique_ptr<PartitionCopy>> Restore(Options options, PartitionSpec spec,
                                                                uint64_t replica,
                                                                const PartitionImage& image,
                                                                uint64_t term);

  // As in PartitionPrimary.
  void OnPush(absl::Time now, uint64_t call, const v1::PushHeader& header,
              std::shared_ptr<Block> gradients, bool want_parameters, Answers* answers);
  void OnPull(absl::Time now, uint64_t call, const v1::PullRequest& request, Answers* answers);
  void OnSettle(absl::Time now, uint64_t call, const v1::SettleRequest& request, Answers* answers);
  void OnCancel(uint64_t call);

  // From the primary, whose backup this is. A primary steps down if the sender's term is newer.
  absl::StatusOr<v1::ReplicaReply> OnAppend(absl::Time now, const v1::AppendHeader& header,
                                            std::shared_ptr<Block> gradients, Answers* answers);
  absl::StatusOr<v1::ReplicaReply> OnInstall(absl::Time now, const v1::InstallHeader& header,
                                             std::shared_ptr<Block> floats, Answers* answers);

  void OnReplicaDone(absl::Time now, uint64_t call, const absl::Status& status,
                     const v1::ReplicaReply& reply, Answers* answers);

  void OnTick(absl::Time now, Answers* answers);
  absl::Time NextTick() const;

  // The job's directive, and this partition's placement in it.
  absl::Status OnDirective(absl::Time now, const v1::JobDirective& directive,
                           const v1::PartitionPlacement& placement, bool is_primary,
                           Answers* answers);

  // Answers every call, parked or to come, with `reason`; nothing is sent any more.
  void End(const absl::Status& reason, Answers* answers);

  // What is to be sent after any of the events above.
  std::vector<ReplicaCall> TakeCalls(absl::Time now);

  // What is to be done for a checkpoint after any of the events above, OnCheckpointDone among them;
  // to be called after each, since an image can only be taken then.
  absl::optional<CheckpointWork> TakeCheckpointWork();
  void OnCheckpointDone(const v1::CheckpointReport& report);

  v1::PartitionReport Report(absl::Time now) const;
  bool TakeNews();

  // The newest committed ones; null: there are none.
  BlockRef Parameters() const;

  bool is_primary() const { return primary_ != nullptr; }
  uint64_t replica() const { return replica_; }
  uint64_t elements() const { return shape_->spec.elements; }

 private:
  PartitionCopy(Options options, std::shared_ptr<const StateShape> shape, uint64_t replica);

  uint64_t term() const { return is_primary() ? replicator_->term() : backup_->term(); }
  // OK if calls of workers are for this copy.
  absl::Status CheckServes() const;
  absl::Status Promote(absl::Time now, const v1::JobDirective& directive,
                       const v1::PartitionPlacement& placement);
  void StepDown(uint64_t term, Answers* answers);
  absl::Status BecomeBackupOf(const v1::ReplicaKey& key, Answers* answers);
  // Takes a reply to the primary along with what it promises.
  absl::StatusOr<v1::ReplicaReply> Promising(absl::Time now,
                                             absl::StatusOr<v1::ReplicaReply> reply);
  void Progress(absl::Time now, Answers* answers);
  void TakeCheckpointImage();

  const Options options_;
  const std::shared_ptr<const StateShape> shape_;
  const uint64_t replica_;
  absl::Status ended_;

  // One of the two.
  std::unique_ptr<PartitionPrimary> primary_;
  std::unique_ptr<PartitionBackup> backup_;
  Replicator* replicator_ = nullptr;  // The primary's log, if there is one.
  CheckpointDuty checkpoint_;         // The primary's.

  uint64_t config_ = 0;
  absl::Time promised_until_ = absl::InfinitePast();
  bool news_ = false;
};

}  // namespace paceline

#endif  // PACELINE_SERVER_PARTITION_PARTITION_COPY_H_
