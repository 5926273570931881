// Whole small files, read and written.
//
// Errors   The system's, as absl::ErrnoToStatus says them, with the path; ReadFile:
// ResourceExhausted
//          when the file is larger than the caller allows. A write that fails leaves the file as it
//          was.
// Threads  Safe by themselves.
#ifndef PACELINE_COMMON_BASE_FILE_H_
#define PACELINE_COMMON_BASE_FILE_H_

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace paceline {

// Replaces `path` at once: a reader sees the old file or the new one, whole, also after a power
// cut.
absl::Status WriteFileAtomically(const std::string& path, absl::string_view contents);

absl::StatusOr<std::string> ReadFile(const std::string& path, size_t bytes_max);

}  // namespace paceline

#endif  // PACELINE_COMMON_BASE_FILE_H_
