#include "client/retry.h"

#include <algorithm>

namespace paceline {

Remedy RemedyFor(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kOk:
      return Remedy::kNone;
    // The last two are what a transport says of a connection that broke at a bad moment.
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kInternal:
    case absl::StatusCode::kUnknown:
      return Remedy::kRetry;
    // A server that has not heard of the job yet says NOT_FOUND.
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kNotFound:
      return Remedy::kRefresh;
    case absl::StatusCode::kAborted:
      return Remedy::kRecompute;
    case absl::StatusCode::kCancelled:
      return Remedy::kStop;
    default:
      return Remedy::kGiveUp;
  }
}

absl::Duration Backoff::Next() {
  absl::Duration delay = options_.shortest;
  for (int i = 0; i < attempts_ && delay < options_.longest; ++i) delay *= 2;
  delay = std::min(delay, options_.longest);
  ++attempts_;
  return delay * (0.5 + 0.5 * jitter_.Uniform(draws_++));
}

}  // namespace paceline
