// A parameter server's side of checkpoint folders: writes the parts of its partitions, commits,
// removes what is too old, and reads partitions back.
//
// Errors   Do: never fails but in its report, with the path. Restore: as CheckpointStore::Read and
//          ReadPartition; InvalidArgument: the checkpoint is not of such a job. All say what was
//          seen and what was wanted.
// Threads  Safe.
// Source   docs/checkpoints.md, docs/protocol.md, "Checkpoints".
//
// No thread, no clock of its own: the simulator runs it as it is.
#ifndef PACELINE_SERVER_CHECKPOINT_FILES_H_
#define PACELINE_SERVER_CHECKPOINT_FILES_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "proto/control.pb.h"
#include "server/checkpoint/checkpoint_store.h"
#include "server/checkpoint/file_system.h"
#include "server/checkpoint/partition_image.h"
#include "server/checkpoint/retention.h"
#include "server/partition/checkpoint_work.h"
#include "server/partition/partition_spec.h"

namespace paceline {

class CheckpointFiles {
 public:
  struct Options {
    FileSystem* files = nullptr;  // Outlives this object.
    // For a manifest's `created`.
    std::function<absl::Time()> now;
    // Waits that long for somebody's lock to go; false: do not go on waiting. Null: never waits.
    std::function<bool(absl::Duration)> wait;
    // Hears of what went wrong and is tried again; may be null.
    std::function<void(absl::string_view)> complain;
  };

  explicit CheckpointFiles(Options options) : options_(std::move(options)) {}

  // Writes a part, or with order.parts the manifest, after which Tidy has something to do. May be
  // repeated.
  v1::CheckpointReport Do(const CheckpointWork& work);

  // From a job's first part on nothing of its folder is removed by anyone, until these directives
  // (which must be complete) no longer hold that order, or somebody else is to write its manifest.
  void Follow(const v1::ServerSyncReply& reply);

  // Removes the checkpoints beyond order.keep of what has been committed, and the chunks that
  // nobody needs. False: somebody is writing or reading there; to be tried again.
  bool Tidy();

  absl::StatusOr<PartitionImage> Restore(const v1::RestoreOrigin& origin, const JobLayout& layout,
                                         uint32_t partition);

 private:
  struct Held {
    uint64_t id = 0;
    std::shared_ptr<FileLock> lock;
  };

  absl::Status CheckWanted(const CheckpointWork& work) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status WritePart(const CheckpointWork& work, v1::CheckpointReport* report);
  absl::Status WriteManifest(const CheckpointWork& work, v1::CheckpointReport* report);
  absl::StatusOr<std::unique_ptr<FileLock>> Lock(CheckpointStore* store) const;
  absl::Status HoldFor(const CheckpointWork& work, CheckpointStore* store)
      ABSL_LOCKS_EXCLUDED(mutex_);
  void Release(const std::string& job) ABSL_LOCKS_EXCLUDED(mutex_);

  const Options options_;
  absl::Mutex mutex_;
  // The orders of the newest directives, by job; none before the first.
  absl::optional<std::map<std::string, uint64_t>> wanted_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, Held> held_ ABSL_GUARDED_BY(mutex_);  // By job.
  std::map<std::string, Retention> untidy_ ABSL_GUARDED_BY(mutex_);  // By folder.
};

}  // namespace paceline

#endif  // PACELINE_SERVER_CHECKPOINT_FILES_H_
