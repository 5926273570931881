// The few things a checkpoint store asks of a disk, so that tests can take its place and fail.
//
// Shapes   Paths are as the system has them; a folder's parts are joined by '/'.
// Errors   NotFound: no such file or folder. AlreadyExists: RenameNew's target is there.
//          ResourceExhausted: the disk is full; Read: the file is larger than `bytes_max`.
//          Unavailable: TryLock: another holds it. Else the system's, all with the path. After an
//          error of WriteTemporary, Rename or RenameNew nothing has the final name that had not
//          before.
// Threads  Safe from any thread.
#ifndef PACELINE_SERVER_CHECKPOINT_FILE_SYSTEM_H_
#define PACELINE_SERVER_CHECKPOINT_FILE_SYSTEM_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace paceline {

// What the name of every file that is not whole yet ends in.
inline constexpr char kTemporarySuffix[] = ".tmp";

// The folder that `path` is in: "." and "/" where it names none.
inline std::string FolderAbove(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// Held until it is destroyed, or its process dies.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

class FileSystem {
 public:
  enum class LockKind {
    kShared,     // Together with other shared ones.
    kExclusive,  // Alone.
  };

  virtual ~FileSystem() = default;

  // Makes a folder whose parent exists. It may be there already.
  virtual absl::Status MakeFolder(const std::string& path) = 0;

  // Makes a new file, named `path`, something unique and kTemporarySuffix, with the pieces one
  // after the other, and returns its name when its contents are safe from a power cut.
  virtual absl::StatusOr<std::string> WriteTemporary(
      const std::string& path, absl::Span<const absl::string_view> pieces) = 0;

  // Gives a file another name at once; it takes the place of one that has it.
  virtual absl::Status Rename(const std::string& from, const std::string& to) = 0;
  // The same, but AlreadyExists if there is one that has it.
  virtual absl::Status RenameNew(const std::string& from, const std::string& to) = 0;

  // Makes the names in a folder, as they are now, safe from a power cut.
  virtual absl::Status SyncFolder(const std::string& path) = 0;

  virtual absl::StatusOr<std::string> Read(const std::string& path, size_t bytes_max) = 0;

  virtual absl::StatusOr<uint64_t> Size(const std::string& path) = 0;

  // The names in a folder, in order.
  virtual absl::StatusOr<std::vector<std::string>> List(const std::string& path) = 0;

  virtual absl::Status Remove(const std::string& path) = 0;

  // Makes the file if it is not there. Never waits.
  virtual absl::StatusOr<std::unique_ptr<FileLock>> TryLock(const std::string& path,
                                                            LockKind kind) = 0;
};

}  // namespace paceline

#endif  // PACELINE_SERVER_CHECKPOINT_FILE_SYSTEM_H_
