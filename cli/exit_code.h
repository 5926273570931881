// What the program's exit status tells a script (also in `paceline --help`).
#ifndef PACELINE_CLI_EXIT_CODE_H_
#define PACELINE_CLI_EXIT_CODE_H_

#include "absl/status/status.h"

namespace paceline::cli {

enum ExitCode {
  kOk = 0,
  kJobFailed = 1,      // The job ended FAILED.
  kUsage = 2,          // A flag, the spec or a name is wrong.
  kUnreachable = 3,    // The fleet does not answer.
  kJobCancelled = 4,   // The job ended CANCELLED.
  kLocalFleet = 5,     // A program of the private fleet could not be started, or died.
  kUnhealthy = 6,      // `doctor` found what will not work, or a checkpoint is damaged or
                       // could not be written.
  kTimedOut = 7,       // `wait --timeout` is over and the job is not.
  kInternal = 70,      // Something that should not happen.
  kInterrupted = 130,  // Ctrl-C or SIGTERM.
};

// The code for an error of a call to the fleet, or of a spec.
inline ExitCode ExitCodeOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return kOk;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnimplemented:
      return kUsage;
    case absl::StatusCode::kDataLoss:
      return kUnhealthy;
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
      return kUnreachable;
    default:
      return kInternal;
  }
}

}  // namespace paceline::cli

#endif  // PACELINE_CLI_EXIT_CODE_H_
