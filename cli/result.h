// How a job ended: what is printed of it, and the exit status that says so.
#ifndef PACELINE_CLI_RESULT_H_
#define PACELINE_CLI_RESULT_H_

#include <cstdio>
#include <string>

#include "cli/exit_code.h"
#include "proto/control.pb.h"

namespace paceline::cli {

// The code for a job that has ended.
ExitCode ExitCodeOf(v1::JobState state);

// Prints the result of `job`, which has ended, on `out`: as summary.json has it, or for people,
// with the folder of the run's files if there is one.
ExitCode PrintResult(std::FILE* out, const v1::JobStatus& job, bool json,
                     const std::string& run_directory);

}  // namespace paceline::cli

#endif  // PACELINE_CLI_RESULT_H_
