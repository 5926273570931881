// A FileSystem in memory that fails as disks do: on command, at any operation, and with the losses
// that a power cut leaves. For tests and the simulator.
//
// What survives a power cut: the contents of a file that was synced, the names in a folder that was
// synced after they changed. Everything else survives or not, name by name, as the seed says.
//
// Errors   As file_system.h; besides, what a fault says.
// Threads  Safe from any thread.
#ifndef PACELINE_SERVER_CHECKPOINT_MEMORY_FILE_SYSTEM_H_
#define PACELINE_SERVER_CHECKPOINT_MEMORY_FILE_SYSTEM_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "server/checkpoint/file_system.h"

namespace paceline {

class MemoryFileSystem final : public FileSystem {
 public:
  enum class Fault {
    kNone,
    kNoSpace,     // Whatever needs room fails, and half of what was to be written is there.
    kFailedSync,  // Syncs fail, and what was to be synced is lost in a power cut.
    kTornWrite,   // Writes and syncs say OK, but only half of the bytes is there.
    kCrash,       // This operation and all later ones fail, until Restart.
  };

  MemoryFileSystem() = default;

  // Every operation from the `first`-th on (0 is the next one), `count` of them, meets the fault.
  void FailAt(uint64_t first, Fault fault, uint64_t count = 1);
  // Operations so far that a fault could have met.
  uint64_t operations() const;

  // The power is cut and comes back: locks and faults are gone, and of what was not synced `seed`
  // decides; 0: all of it is lost, 1: none.
  void Restart(uint64_t seed);

  // Changes one byte of a file, or cuts it to `bytes`. NotFound, OutOfRange.
  absl::Status Flip(const std::string& path, size_t offset, uint8_t mask);
  absl::Status Truncate(const std::string& path, size_t bytes);

  // The paths of all files, in order.
  std::vector<std::string> Files() const;

  absl::Status MakeFolder(const std::string& path) override;
  absl::StatusOr<std::string> WriteTemporary(const std::string& path,
                                             absl::Span<const absl::string_view> pieces) override;
  absl::Status Rename(const std::string& from, const std::string& to) override;
  absl::Status RenameNew(const std::string& from, const std::string& to) override;
  absl::Status SyncFolder(const std::string& path) override;
  absl::StatusOr<std::string> Read(const std::string& path, size_t bytes_max) override;
  absl::StatusOr<uint64_t> Size(const std::string& path) override;
  absl::StatusOr<std::vector<std::string>> List(const std::string& path) override;
  absl::Status Remove(const std::string& path) override;
  absl::StatusOr<std::unique_ptr<FileLock>> TryLock(const std::string& path,
                                                    LockKind kind) override;

 private:
  struct File {
    std::string contents;
    bool synced = false;
  };
  // A name's file; a folder has none.
  using Node = std::shared_ptr<File>;
  using Names = std::map<std::string, Node>;  // By whole path.
  struct LockCount;
  class MemoryLock;

  Fault NextFaultLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Most operations: OK, or the error that the next fault makes of one that needs room or not.
  absl::Status MeetFaultLocked(bool needs_room, const std::string& path)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status RequireParentLocked(const std::string& path) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<Node> FindFileLocked(const std::string& path) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status MoveLocked(const std::string& from, const std::string& to)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable absl::Mutex mutex_;
  Names now_ ABSL_GUARDED_BY(mutex_);
  Names safe_ ABSL_GUARDED_BY(mutex_);  // The names that a power cut leaves for certain.
  std::map<std::string, std::weak_ptr<LockCount>> locks_ ABSL_GUARDED_BY(mutex_);
  uint64_t operations_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t temporaries_ ABSL_GUARDED_BY(mutex_) = 0;
  Fault fault_ ABSL_GUARDED_BY(mutex_) = Fault::kNone;
  uint64_t fault_first_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t fault_end_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace paceline

#endif  // PACELINE_SERVER_CHECKPOINT_MEMORY_FILE_SYSTEM_H_
