#include "cli/result.h"

#include "cli/render.h"

namespace paceline::cli {

ExitCode ExitCodeOf(v1::JobState state) {
  switch (state) {
    case v1::FINISHED:
      return kOk;
    case v1::FAILED:
      return kJobFailed;
    case v1::CANCELLED:
      return kJobCancelled;
    default:
      return kInternal;
  }
}

ExitCode PrintResult(std::FILE* out, const v1::JobStatus& job, bool json,
                     const std::string& run_directory) {
  if (json) {
    std::fprintf(out, "%s\n", SummaryJson(job).c_str());
  } else {
    std::fprintf(out, "%s", ResultText(job, run_directory).c_str());
  }
  return ExitCodeOf(job.state());
}

}  // namespace paceline::cli
