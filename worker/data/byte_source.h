// Bytes read front to back, from memory or from a file; the readers of this room see nothing else.
//
// Errors   OpenFile: NotFound, PermissionDenied or what the system said; InvalidArgument for what
// is
//          not a regular file (a directory, a pipe). Each names the path.
// Threads  One object, one thread.
#ifndef PACELINE_WORKER_DATA_BYTE_SOURCE_H_
#define PACELINE_WORKER_DATA_BYTE_SOURCE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace paceline {

class ByteSource {
 public:
  virtual ~ByteSource() = default;

  // Fills the front of `out`, which is not empty, and returns how many bytes that was; 0 only at
  // the end.
  virtual absl::StatusOr<size_t> Read(absl::Span<uint8_t> out) = 0;
};

// The bytes of `bytes`, which must outlive the source.
class MemorySource : public ByteSource {
 public:
  explicit MemorySource(absl::string_view bytes) : rest_(bytes) {}

  absl::StatusOr<size_t> Read(absl::Span<uint8_t> out) override;

 private:
  absl::string_view rest_;
};

absl::StatusOr<std::unique_ptr<ByteSource>> OpenFile(const std::string& path);

}  // namespace paceline

#endif  // PACELINE_WORKER_DATA_BYTE_SOURCE_H_
