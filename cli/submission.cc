#include "cli/submission.h"

#include <unistd.h>

#include <cstdio>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "cli/acks.h"
#include "cli/checkpoint_choice.h"
#include "cli/fleet_call.h"
#include "cli/follow.h"
#include "cli/progress.h"
#include "cli/result.h"
#include "cli/spec_file.h"
#include "cli/starting_point.h"
#include "common/base/status_macros.h"
#include "common/base/version.h"
#include "common/job/job_spec.h"
#include "server/checkpoint/posix_file_system.h"

namespace paceline::cli {
namespace {

// A spec means what this program's release says it means.
absl::Status CheckRelease(ControlClient* control) {
  const auto fleet = control->DescribeFleet({}, kCallTimeout);
  if (!fleet.ok()) return fleet.status();
  if (fleet->release() == kRelease) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat("the fleet runs release ", fleet->release(),
                                                    ", this program is release ", kRelease));
}

absl::Status CheckCheckpointPath(const v1::JobSpec& spec) {
  if (!spec.has_checkpoint() || !spec.checkpoint().path().empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "checkpoint.path is not given; wanted a folder that every server of the fleet reaches under "
      "that name (only run has one of its own: checkpoints/ in its run directory)");
}

// Makes `request`, whose spec is as it was written, begin from the checkpoint.
absl::Status RestoreInto(const std::string& checkpoint, v1::SubmitJobRequest* request) {
  ASSIGN_OR_RETURN(CheckpointName name, ParseCheckpointName(checkpoint));
  name.folder = std::filesystem::absolute(name.folder).lexically_normal().string();
  PosixFileSystem files;
  ASSIGN_OR_RETURN(const CheckpointChoice choice, ChooseToRestore(&files, name));
  ASSIGN_OR_RETURN(const v1::RestoreOrigin origin,
                   OriginOf(choice.manifest, choice.store->folder()));
  return StartFrom(choice.manifest, origin, request);
}

}  // namespace

std::string NewSubmissionId() {
  return absl::StrCat(::getpid(), "-", absl::ToUnixNanos(absl::Now()));
}

absl::StatusOr<v1::SubmitJobRequest> ReadSubmission(const std::string& spec,
                                                    const std::vector<std::string>& overrides,
                                                    const std::string& checkpoint) {
  v1::SubmitJobRequest request;
  ASSIGN_OR_RETURN(*request.mutable_spec(), LoadSpec(spec, overrides));
  if (checkpoint.empty()) {
    RETURN_IF_ERROR(ResolveJobSpec(request.mutable_spec()));
  } else {
    RETURN_IF_ERROR(RestoreInto(checkpoint, &request));
  }
  return request;
}

int SubmitAndPrint(ControlClient* control, v1::SubmitJobRequest request,
                   const SubmitOptions& options) {
  const absl::Status kept = CheckCheckpointPath(request.spec());
  if (!kept.ok()) return Fail(kept);
  const absl::Status same_release = CheckRelease(control);
  if (!same_release.ok()) return FailCall(same_release, options.fleet.fleet);
  request.set_submission_id(options.submission_id.empty() ? NewSubmissionId()
                                                          : options.submission_id);
  const auto reply = control->SubmitJob(request, kCallTimeout);
  if (!reply.ok()) return FailCall(reply.status(), options.fleet.fleet);
  const std::string warning = AcksWarning(request.spec());
  if (!warning.empty()) std::fprintf(stderr, "%s\n", warning.c_str());
  if (options.wait) {
    std::fprintf(stderr, "submitted %s\n", reply->job().c_str());
    return WaitAndPrint(control, reply->job(), options.fleet, 0);
  }
  PrintReply(options.fleet.json, *reply, reply->job() + "\n");
  return kOk;
}

int WaitAndPrint(ControlClient* control, const std::string& job, const FleetFlags& fleet,
                 double timeout_s) {
  Progress progress(stderr, [] { return TerminalColumns(stderr); });
  FollowOptions follow;
  if (timeout_s > 0) follow.deadline = absl::Now() + absl::Seconds(timeout_s);
  follow.on_status = [&](const v1::JobStatus& status) { progress.Show(status, absl::Now()); };
  const auto ended = FollowJob(CallsOf(control), job, follow);
  progress.Finish();
  if (ended.ok()) return PrintResult(stdout, *ended, fleet.json, "");
  if (!absl::IsDeadlineExceeded(ended.status())) return FailCall(ended.status(), fleet.fleet);
  Fail(ended.status());
  return kTimedOut;
}

}  // namespace paceline::cli
