#include "cli/follow.h"

#include <algorithm>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/types/optional.h"
#include "cli/render.h"
#include "common/base/status_macros.h"
#include "common/job/job_state.h"

namespace paceline::cli {
namespace {

// How far the events have been passed on.
struct Cursor {
  uint64_t sequence = 0;
  double unix_s = -std::numeric_limits<double>::infinity();
  // A coordinator that restarts counts from 1 again, so everything is read again: what is not newer
  // than this has been passed on before.
  double known_until_unix_s = -std::numeric_limits<double>::infinity();

  void StartAgain() {
    sequence = 0;
    known_until_unix_s = unix_s;
  }
};

void PassEvents(const FollowCalls& calls, const std::string& job, const FollowOptions& options,
                Cursor* cursor) {
  v1::ListEventsRequest request;
  request.set_job(job);
  while (true) {
    request.set_after(cursor->sequence);
    const auto reply = calls.list_events(request);
    // Of an error the next describe says what is wrong.
    if (!reply.ok() || reply->events().empty()) return;
    for (const v1::Event& event : reply->events()) {
      cursor->sequence = event.sequence();
      cursor->unix_s = std::max(cursor->unix_s, event.unix_s());
      if (event.unix_s() > cursor->known_until_unix_s) options.on_event(event);
    }
  }
}

bool IsSilence(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status);
}

}  // namespace

absl::StatusOr<v1::JobStatus> FollowJob(const FollowCalls& calls, const std::string& job,
                                        const FollowOptions& options) {
  v1::DescribeJobRequest request;
  request.set_job(job);
  Cursor events;
  absl::Time answered = calls.now();
  while (true) {
    RETURN_IF_ERROR(options.check());
    const auto status = calls.describe(request);
    const absl::Time now = calls.now();
    if (status.ok()) {
      answered = now;
      PassEvents(calls, job, options, &events);
      options.on_status(*status);
      if (HasEnded(status->state())) return *status;
    } else if (!IsSilence(status.status())) {
      return status.status();
    } else if (now >= answered + options.patience) {
      return absl::UnavailableError(status.status().message());
    } else {
      events.StartAgain();
    }
    if (now >= options.deadline) {
      const std::string unknown =
          status.ok() ? "" : absl::StrCat(", as far as is known: ", status.status().message());
      return absl::DeadlineExceededError(absl::StrCat("job ", job, " has not ended", unknown));
    }
    calls.sleep(std::min(options.interval, options.deadline - now));
  }
}

absl::StatusOr<v1::CheckpointStatus> FollowCheckpoint(const FollowCalls& calls,
                                                      const std::string& job, uint64_t id,
                                                      const FollowOptions& options) {
  absl::optional<v1::CheckpointStatus> found;
  FollowOptions watch = options;
  watch.on_status = [&](const v1::JobStatus& status) {
    options.on_status(status);
    for (const v1::CheckpointStatus& checkpoint : status.checkpoints()) {  // Ascending.
      if (checkpoint.id() < id) continue;
      if (checkpoint.state() != v1::CheckpointStatus::WRITING) found = checkpoint;
      return;
    }
  };
  watch.check = [&] { return found ? absl::CancelledError("found") : options.check(); };
  const auto ended = FollowJob(calls, job, watch);
  if (found) return *found;
  if (!ended.ok()) return ended.status();
  return absl::FailedPreconditionError(absl::StrCat(
      job, " is ", StateName(ended->state()), "; checkpoint ", id, " was not written before"));
}

}  // namespace paceline::cli
