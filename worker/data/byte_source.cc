#include "worker/data/byte_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace paceline {
namespace {

class FileSource : public ByteSource {
 public:
  FileSource(int descriptor, std::string path) : descriptor_(descriptor), path_(std::move(path)) {}
  ~FileSource() override { close(descriptor_); }
  FileSource(const FileSource&) = delete;
  FileSource& operator=(const FileSource&) = delete;

  absl::StatusOr<size_t> Read(absl::Span<uint8_t> out) override {
    for (;;) {
      const ssize_t count = read(descriptor_, out.data(), out.size());
      if (count >= 0) return static_cast<size_t>(count);
      if (errno != EINTR) return absl::ErrnoToStatus(errno, absl::StrCat("cannot read ", path_));
    }
  }

 private:
  const int descriptor_;
  const std::string path_;
};

}  // namespace

absl::StatusOr<size_t> MemorySource::Read(absl::Span<uint8_t> out) {
  const size_t count = std::min(out.size(), rest_.size());
  if (count > 0) std::memcpy(out.data(), rest_.data(), count);
  rest_.remove_prefix(count);
  return count;
}

absl::StatusOr<std::unique_ptr<ByteSource>> OpenFile(const std::string& path) {
  if (path.empty() || path.find('\0') != std::string::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", absl::CHexEscape(path), "' is not the path of a file"));
  }
  // Without O_NONBLOCK, opening a pipe would wait for its writer.
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) return absl::ErrnoToStatus(errno, absl::StrCat("cannot open ", path));
  auto file = std::make_unique<FileSource>(descriptor, path);

  struct stat facts;
  if (fstat(descriptor, &facts) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot stat ", path));
  }
  if (S_ISDIR(facts.st_mode)) {
    return absl::InvalidArgumentError(absl::StrCat(path, " is a directory; wanted a file"));
  }
  if (!S_ISREG(facts.st_mode)) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, " is a pipe, socket or device; wanted a file"));
  }
  return std::unique_ptr<ByteSource>(std::move(file));
}

}  // namespace paceline
