// Giving a job to a fleet, as submit, restore and fork do it.
#ifndef PACELINE_CLI_SUBMISSION_H_
#define PACELINE_CLI_SUBMISSION_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/command.h"
#include "client/control_client.h"
#include "proto/control.pb.h"

namespace paceline::cli {

// A fresh one.
std::string NewSubmissionId();

// The job that the file `spec` with `overrides` says, resolved, which begins from `checkpoint` (DIR
// or DIR:NUMBER; empty: from the seed). DataLoss: that is damaged. Else as LoadSpec,
// ParseCheckpointName, ChooseToRestore and StartFrom.
absl::StatusOr<v1::SubmitJobRequest> ReadSubmission(const std::string& spec,
                                                    const std::vector<std::string>& overrides,
                                                    const std::string& checkpoint);

struct SubmitOptions {
  FleetFlags fleet;
  std::string submission_id;  // Empty: a fresh one.
  bool wait = false;
};

// Prints the job's name, or, with `wait`, stays and prints its result. The exit status.
int SubmitAndPrint(ControlClient* control, v1::SubmitJobRequest request,
                   const SubmitOptions& options);

// Stays until the job has ended, `timeout_s` at most (0: for ever), and prints its result. The exit
// status.
int WaitAndPrint(ControlClient* control, const std::string& job, const FleetFlags& fleet,
                 double timeout_s);

}  // namespace paceline::cli

#endif  // PACELINE_CLI_SUBMISSION_H_
