// A FileSystem over the machine's own.
//
// Errors   As file_system.h. Locks are flock(2): the folder's file system must have it (all local
//          ones, NFS from version 4).
// Threads  Safe from any thread.
#ifndef PACELINE_SERVER_CHECKPOINT_POSIX_FILE_SYSTEM_H_
#define PACELINE_SERVER_CHECKPOINT_POSIX_FILE_SYSTEM_H_

#include <memory>
#include <string>
#include <vector>

#include "server/checkpoint/file_system.h"

namespace paceline {

class PosixFileSystem final : public FileSystem {
 public:
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
};

}  // namespace paceline

#endif  // PACELINE_SERVER_CHECKPOINT_POSIX_FILE_SYSTEM_H_
