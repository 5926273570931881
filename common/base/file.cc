#include "common/base/file.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "common/base/descriptor.h"

namespace paceline {
namespace {

absl::Status Failed(absl::string_view what, absl::string_view path) {
  return absl::ErrnoToStatus(errno, absl::StrCat("cannot ", what, " \"", path, "\""));
}

// So that the name, too, outlives a power cut.
absl::Status SyncFolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  std::string folder = slash == std::string::npos ? "." : path.substr(0, slash);
  if (folder.empty()) folder = "/";
  const Descriptor descriptor(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (descriptor.number() < 0) return Failed("open", folder);
  if (::fsync(descriptor.number()) != 0) return Failed("sync", folder);
  return absl::OkStatus();
}

absl::Status WriteAndSync(int file, absl::string_view contents, const std::string& path) {
  if (!WriteAll(file, contents)) return Failed("write", path);
  if (::fchmod(file, 0644) != 0) return Failed("change the mode of", path);
  if (::fsync(file) != 0) return Failed("sync", path);
  return absl::OkStatus();
}

}  // namespace

absl::Status WriteFileAtomically(const std::string& path, absl::string_view contents) {
  std::string temporary = absl::StrCat(path, ".XXXXXX");
  const Descriptor descriptor(::mkostemp(temporary.data(), O_CLOEXEC));
  if (descriptor.number() < 0) return Failed("create a file beside", path);
  absl::Status status = WriteAndSync(descriptor.number(), contents, temporary);
  if (status.ok() && ::rename(temporary.c_str(), path.c_str()) != 0) {
    status = Failed("replace", path);
  }
  if (!status.ok()) {
    ::unlink(temporary.c_str());
    return status;
  }
  return SyncFolderOf(path);
}

absl::StatusOr<std::string> ReadFile(const std::string& path, size_t bytes_max) {
  const Descriptor descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (descriptor.number() < 0) return Failed("open", path);
  std::string contents;
  char buffer[1 << 14];
  for (;;) {
    const ssize_t count = ::read(descriptor.number(), buffer, sizeof(buffer));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return Failed("read", path);
    if (count == 0) return contents;
    if (contents.size() + static_cast<size_t>(count) > bytes_max) {
      return absl::ResourceExhaustedError(
          absl::StrCat("\"", path, "\" is larger than ", bytes_max, " bytes"));
    }
    contents.append(buffer, static_cast<size_t>(count));
  }
}

}  // namespace paceline
