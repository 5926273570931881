// Watches a job until it has ended, telling its caller what happens.
//
// Errors   UNAVAILABLE once the coordinator has not answered for `patience`; NOT_FOUND: no such
// job;
//          DEADLINE_EXCEEDED at `deadline`; whatever `check` says.
// Threads  Pure but for what it is given: the calls, the clock.
#ifndef PACELINE_CLI_FOLLOW_H_
#define PACELINE_CLI_FOLLOW_H_

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "proto/control.pb.h"

namespace paceline::cli {

// The coordinator and the time, as FollowJob needs them.
struct FollowCalls {
  std::function<absl::StatusOr<v1::JobStatus>(const v1::DescribeJobRequest&)> describe;
  std::function<absl::StatusOr<v1::ListEventsReply>(const v1::ListEventsRequest&)> list_events;
  std::function<absl::Time()> now;
  std::function<void(absl::Duration)> sleep;
};

struct FollowOptions {
  absl::Duration interval = absl::Milliseconds(200);
  // A coordinator that restarts is waited for this long.
  absl::Duration patience = absl::Seconds(15);
  absl::Time deadline = absl::InfiniteFuture();
  std::function<void(const v1::JobStatus&)> on_status = [](const v1::JobStatus&) {};
  // Each event once, in order, also if the coordinator restarts.
  std::function<void(const v1::Event&)> on_event = [](const v1::Event&) {};
  // Asked every interval; a status that is not OK ends the watch with it.
  std::function<absl::Status()> check = [] { return absl::OkStatus(); };
};

// Checkpoint `id` of the job, once it is whole or has failed, or, if its status does not tell of it
// any more, the next that it tells of: so one is numbered that was ordered anew, in another folder.
// FAILED_PRECONDITION: the job has ended before. NOT_FOUND: no such job.
absl::StatusOr<v1::CheckpointStatus> FollowCheckpoint(const FollowCalls& calls,
                                                      const std::string& job, uint64_t id,
                                                      const FollowOptions& options);

// The job as it ended.
absl::StatusOr<v1::JobStatus> FollowJob(const FollowCalls& calls, const std::string& job,
                                        const FollowOptions& options);

}  // namespace paceline::cli

#endif  // PACELINE_CLI_FOLLOW_H_
