// Watches a job until it has ended, telling its caller what happens.
//
// Errors   UNAVAILABLE once the coordinator has not answered for `patience`; NOT_FOUND: no such job;
//          DEADLINE_EXCEEDED at `deadline`; CANCELLED when `stop` says so.
#ifndef PACELINE_CLI_FOLLOW_H_
#define PACELINE_CLI_FOLLOW_H_

#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/control_client.h"
#include "proto/control.pb.h"

namespace paceline::cli {

// A call to the fleet that should be answered at once.
constexpr absl::Duration kCallTimeout = absl::Seconds(10);

struct FollowOptions {
  absl::Duration interval = absl::Milliseconds(200);
  // A coordinator that restarts is waited for this long.
  absl::Duration patience = absl::Seconds(15);
  absl::Time deadline = absl::InfiniteFuture();
  std::function<void(const v1::JobStatus&)> on_status = [](const v1::JobStatus&) {};
  std::function<void(const v1::Event&)> on_event = [](const v1::Event&) {};
  // Asked every interval; a status that is not OK ends the watch with it.
  std::function<absl::Status()> check = [] { return absl::OkStatus(); };
};

// The job as it ended.
absl::StatusOr<v1::JobStatus> FollowJob(ControlClient* control, const std::string& job,
                                        const FollowOptions& options);

}  // namespace paceline::cli

#endif  // PACELINE_CLI_FOLLOW_H_
