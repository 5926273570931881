// The thread that does a server's checkpoint work, so that no training step waits for a disk.
//
// Errors   All are said in the reports: also, when kQueueMax works wait, that there is no room for
//          another.
// Threads  Safe. One of its own.
// Source   docs/protocol.md, "Checkpoints".
#ifndef PACELINE_SERVER_CHECKPOINT_WRITER_H_
#define PACELINE_SERVER_CHECKPOINT_WRITER_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "proto/control.pb.h"
#include "server/checkpoint/file_system.h"
#include "server/checkpoint/partition_image.h"
#include "server/checkpoint_files.h"
#include "server/partition/checkpoint_work.h"
#include "server/partition/partition_spec.h"

namespace paceline {

class CheckpointWriter {
 public:
  // Works that wait; a server has one a partition that it serves.
  static constexpr size_t kQueueMax = 16384;

  struct Options {
    FileSystem* files = nullptr;      // Outlives the writer.
    std::function<absl::Time()> now;  // For a manifest's `created`.
    // Hears of each work's outcome, from the writer's thread or, without room, from Write.
    std::function<void(const std::string& job, uint32_t partition, const v1::CheckpointReport&)>
        done;
    // Hears, from the writer's thread, of what is not an outcome: old checkpoints that stay.
    std::function<void(absl::string_view)> complain;
  };

  explicit CheckpointWriter(Options options);

  // Stop.
  ~CheckpointWriter();
  CheckpointWriter(const CheckpointWriter&) = delete;
  CheckpointWriter& operator=(const CheckpointWriter&) = delete;

  // Does it some time; never waits.
  void Write(CheckpointWork work) ABSL_LOCKS_EXCLUDED(mutex_);

  // These are the newest directives, all of them; to be said before the host follows them.
  void Follow(const v1::ServerSyncReply& reply) { files_.Follow(reply); }

  // What a checkpoint holds of a partition; reads it in the caller's thread.
  absl::StatusOr<PartitionImage> Restore(const v1::RestoreOrigin& origin, const JobLayout& layout,
                                         uint32_t partition) {
    return files_.Restore(origin, layout, partition);
  }

  // Ends; what is being written is written, what waits is dropped.
  void Stop() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  void Run() ABSL_LOCKS_EXCLUDED(mutex_);
  bool HasWork() const ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return stopping_ || !queue_.empty(); }
  // False: stopped.
  bool Wait(absl::Duration duration) ABSL_LOCKS_EXCLUDED(mutex_);

  const Options options_;
  CheckpointFiles files_;  // Safe by itself.
  absl::Mutex mutex_;
  std::deque<CheckpointWork> queue_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace paceline

#endif  // PACELINE_SERVER_CHECKPOINT_WRITER_H_
