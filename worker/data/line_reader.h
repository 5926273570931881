// The lines of a text, one at a time, in memory no larger than the longest.
//
// Errors   InvalidArgument: a line longer than kLineBytesMax; else what the source says.
// Threads  One object, one thread.
#ifndef PACELINE_WORKER_DATA_LINE_READER_H_
#define PACELINE_WORKER_DATA_LINE_READER_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "worker/data/byte_source.h"

namespace paceline {

constexpr size_t kLineBytesMax = size_t{64} << 20;

class LineReader {
 public:
  // `name` is what errors call `source`, which must outlive the reader.
  LineReader(ByteSource* source, absl::string_view name);

  // Moves to the next line that is not blank; false behind the last. A byte order mark at the very
  // start is skipped.
  absl::StatusOr<bool> Next();

  // Without its end (LF or CRLF). Valid until Next.
  absl::string_view line() const { return line_; }

  // Of line(), from 1; blank lines count.
  uint64_t number() const { return number_; }

  const std::string& name() const { return name_; }

  // "name:number: what".
  absl::Status Error(absl::string_view what) const;

 private:
  absl::StatusOr<bool> NextOfAny();
  absl::Status Refill();

  ByteSource* const source_;
  const std::string name_;
  std::string buffer_;
  size_t begin_ = 0;  // What is still unread of buffer_: [begin_, end_).
  size_t end_ = 0;
  bool at_end_ = false;
  absl::string_view line_;
  uint64_t number_ = 0;
};

// `text` as an error message shows it: escaped, and cut when it is long.
std::string Shown(absl::string_view text);

}  // namespace paceline

#endif  // PACELINE_WORKER_DATA_LINE_READER_H_
