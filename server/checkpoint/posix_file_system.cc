#include "server/checkpoint/posix_file_system.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/descriptor.h"
#include "common/base/file.h"
#include "common/base/status_macros.h"

namespace paceline {
namespace {

absl::Status Failed(absl::string_view what, absl::string_view path) {
  const std::string message = absl::StrCat("cannot ", what, " \"", path, "\"");
  // A quota that is used up is a full disk to whoever writes.
  if (errno == EDQUOT) return absl::ErrnoToStatus(ENOSPC, message);
  return absl::ErrnoToStatus(errno, message);
}

class PosixLock final : public FileLock {
 public:
  explicit PosixLock(Descriptor file) : file_(std::move(file)) {}

 private:
  const Descriptor file_;
};

absl::Status WriteAndSync(int file, absl::Span<const absl::string_view> pieces,
                          const std::string& path) {
  for (const absl::string_view piece : pieces) {
    if (!WriteAll(file, piece)) return Failed("write", path);
  }
  if (::fchmod(file, 0644) != 0) return Failed("change the mode of", path);
  if (::fsync(file) != 0) return Failed("sync", path);
  return absl::OkStatus();
}

}  // namespace

absl::Status PosixFileSystem::MakeFolder(const std::string& path) {
  if (::mkdir(path.c_str(), 0755) == 0) return absl::OkStatus();
  struct stat facts;
  if (errno == EEXIST && ::stat(path.c_str(), &facts) == 0 && S_ISDIR(facts.st_mode)) {
    return absl::OkStatus();
  }
  return Failed("make the folder", path);
}

absl::StatusOr<std::string> PosixFileSystem::WriteTemporary(
    const std::string& path, absl::Span<const absl::string_view> pieces) {
  std::string temporary = absl::StrCat(path, ".XXXXXX", kTemporarySuffix);
  const Descriptor file(::mkostemps(temporary.data(), sizeof(kTemporarySuffix) - 1, O_CLOEXEC));
  if (file.number() < 0) return Failed("create a file beside", path);
  const absl::Status status = WriteAndSync(file.number(), pieces, temporary);
  if (status.ok()) return temporary;
  ::unlink(temporary.c_str());
  return status;
}

absl::Status PosixFileSystem::Rename(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) == 0) return absl::OkStatus();
  return Failed(absl::StrCat("rename \"", from, "\" to"), to);
}

absl::Status PosixFileSystem::RenameNew(const std::string& from, const std::string& to) {
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) {
    return absl::OkStatus();
  }
  // Network file systems do not know the flag, but know links, which never replace.
  if (errno != EINVAL && errno != ENOSYS) return Failed("create", to);
  if (::link(from.c_str(), to.c_str()) != 0) return Failed("create", to);
  ::unlink(from.c_str());
  return absl::OkStatus();
}

absl::Status PosixFileSystem::SyncFolder(const std::string& path) {
  const Descriptor folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.number() < 0) return Failed("open", path);
  if (::fsync(folder.number()) != 0) return Failed("sync", path);
  return absl::OkStatus();
}

absl::StatusOr<std::string> PosixFileSystem::Read(const std::string& path, size_t bytes_max) {
  return ReadFile(path, bytes_max);
}

absl::StatusOr<uint64_t> PosixFileSystem::Size(const std::string& path) {
  struct stat facts;
  if (::stat(path.c_str(), &facts) != 0) return Failed("look at", path);
  return static_cast<uint64_t>(facts.st_size);
}

absl::StatusOr<std::vector<std::string>> PosixFileSystem::List(const std::string& path) {
  DIR* const folder = ::opendir(path.c_str());
  if (folder == nullptr) return Failed("list", path);
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = ::readdir(folder)) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
    errno = 0;
  }
  absl::Status status = errno == 0 ? absl::OkStatus() : Failed("list", path);
  ::closedir(folder);
  RETURN_IF_ERROR(status);
  std::sort(names.begin(), names.end());
  return names;
}

absl::Status PosixFileSystem::Remove(const std::string& path) {
  if (::unlink(path.c_str()) == 0) return absl::OkStatus();
  return Failed("remove", path);
}

absl::StatusOr<std::unique_ptr<FileLock>> PosixFileSystem::TryLock(const std::string& path,
                                                                   LockKind kind) {
  Descriptor file(::open(path.c_str(), O_RDONLY | O_CREAT | O_CLOEXEC, 0644));
  if (file.number() < 0) return Failed("open", path);
  const int operation = kind == LockKind::kShared ? LOCK_SH : LOCK_EX;
  if (::flock(file.number(), operation | LOCK_NB) == 0) {
    return std::make_unique<PosixLock>(std::move(file));
  }
  if (errno != EWOULDBLOCK) return Failed("lock", path);
  return absl::UnavailableError(absl::StrCat("\"", path, "\" is held by another"));
}

}  // namespace paceline
