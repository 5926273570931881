// What one primary owes to the checkpoint that its job's directive orders: an image at the right
// moment, and a report until the order is gone.
//
// Threads  One thread at a time.
// Source   docs/protocol.md, "Checkpoints".
#ifndef PACELINE_SERVER_PARTITION_CHECKPOINT_DUTY_H_
#define PACELINE_SERVER_PARTITION_CHECKPOINT_DUTY_H_

#include <cstdint>

#include "absl/types/optional.h"
#include "proto/control.pb.h"
#include "server/partition/checkpoint_work.h"
#include "server/replica/install_image.h"

namespace paceline {

class CheckpointDuty {
 public:
  explicit CheckpointDuty(uint32_t partition) : partition_(partition) {}

  // The job's newest directive. Another order than the one before forgets all that was done for it.
  void Follow(const v1::JobDirective& directive);
  // The order is somebody else's.
  void Forget() { *this = CheckpointDuty(partition_); }

  // Whether the tip, which is at that version, is to be given to OnImage before it moves on. An
  // order for a version that the tip has passed has failed then.
  bool WantsImage(uint64_t tip_version);
  void OnImage(InstallImage image);

  // What is to be done now that the log is committed up to there; each thing once.
  absl::optional<CheckpointWork> TakeWork(uint64_t committed);
  // Its outcome. One of another order is ignored.
  void OnDone(const v1::CheckpointReport& report);

  // Sets PartitionReport.checkpoint once there is an outcome.
  void FillIn(v1::PartitionReport* report) const;
  // Whether there has been one since the last call.
  bool TakeNews();

 private:
  enum class Stage {
    kNone,            // No order, or nothing to do for it.
    kAwaitingImage,   // Of the version that is ordered.
    kAwaitingCommit,  // image_ waits until its last entry is committed.
    kManifest,        // The manifest is to be written.
    kOut,             // Handed out.
    kDone,
  };

  void Finish();
  CheckpointWork WorkOf() const;

  uint32_t partition_;
  Stage stage_ = Stage::kNone;
  v1::CheckpointOrder order_;
  v1::JobDirective directive_;  // As CheckpointWork has it.
  InstallImage image_;
  v1::CheckpointReport report_;  // Its id is 0 while there is no outcome.
  bool news_ = false;
};

}  // namespace paceline

#endif  // PACELINE_SERVER_PARTITION_CHECKPOINT_DUTY_H_
