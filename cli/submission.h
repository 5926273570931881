// Giving a job to a fleet, as submit, restore and fork do it.
#ifndef PACELINE_CLI_SUBMISSION_H_
#define PACELINE_CLI_SUBMISSION_H_

#include <string>

#include "absl/status/status.h"
#include "cli/command.h"
#include "client/control_client.h"
#include "proto/control.pb.h"

namespace paceline::cli {

// A fresh one.
std::string NewSubmissionId();

// Makes `request`, whose spec is resolved, begin from the checkpoint DIR or DIR:NUMBER. DataLoss:
// it is damaged. Else as ParseCheckpointName, ChooseToRestore and StartFrom.
absl::Status RestoreInto(const std::string& checkpoint, v1::SubmitJobRequest* request);

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
