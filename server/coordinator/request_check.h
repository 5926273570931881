// Whether what a peer says of itself is within bounds.
//
// Errors   InvalidArgument, naming the field, what was seen and what was wanted.
// Threads  Pure functions.
#ifndef PACELINE_SERVER_COORDINATOR_REQUEST_CHECK_H_
#define PACELINE_SERVER_COORDINATOR_REQUEST_CHECK_H_

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "proto/control.pb.h"

namespace paceline {

// Letters, digits, '.', '_' and '-', 1..64 of them. `field` is for the error.
absl::Status CheckId(absl::string_view field, absl::string_view id);

absl::Status CheckWorkerSync(const v1::WorkerSyncRequest& request);
absl::Status CheckServerSync(const v1::ServerSyncRequest& request);

// Whether a job can be made of such data; `what` is for the error.
absl::Status CheckFacts(absl::string_view what, const v1::DatasetFacts& facts);

// FailedPrecondition, naming both, unless a process of release `theirs` may work with `ours`.
absl::Status CheckRelease(absl::string_view who, absl::string_view theirs, absl::string_view ours);

// `text` cut to at most `bytes`, between characters of UTF-8.
std::string Clip(absl::string_view text, size_t bytes);

}  // namespace paceline

#endif  // PACELINE_SERVER_COORDINATOR_REQUEST_CHECK_H_
