#include "cli/follow.h"

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "cli/render.h"
#include "common/base/status_macros.h"

namespace paceline::cli {
namespace {

// Passes on the events after `*after`. A coordinator that restarted counts from the start again.
void PassEvents(ControlClient* control, const std::string& job, const FollowOptions& options,
                uint64_t* after) {
  v1::ListEventsRequest request;
  request.set_job(job);
  request.set_after(*after);
  const auto reply = control->ListEvents(request, kCallTimeout);
  if (!reply.ok()) return;  // The next describe says what is wrong.
  for (const v1::Event& event : reply->events()) {
    *after = event.sequence();
    options.on_event(event);
  }
}

}  // namespace

absl::StatusOr<v1::JobStatus> FollowJob(ControlClient* control, const std::string& job,
                                        const FollowOptions& options) {
  v1::DescribeJobRequest request;
  request.set_job(job);
  uint64_t after = 0;
  absl::Time answered = absl::Now();
  while (true) {
    RETURN_IF_ERROR(options.check());
    const auto status = control->DescribeJob(request, kCallTimeout);
    const absl::Time now = absl::Now();
    if (status.ok()) {
      answered = now;
      PassEvents(control, job, options, &after);
      options.on_status(*status);
      if (HasEnded(status->state())) return *status;
    } else if (!absl::IsUnavailable(status.status()) &&
               !absl::IsDeadlineExceeded(status.status())) {
      return status.status();
    } else if (now > answered + options.patience) {
      return absl::UnavailableError(std::string(status.status().message()));
    }
    if (now > options.deadline) {
      return absl::DeadlineExceededError(absl::StrCat("job ", job, " has not ended"));
    }
    absl::SleepFor(options.interval);
  }
}

}  // namespace paceline::cli
