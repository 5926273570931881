#include "cli/fleet_call.h"

#include "absl/time/clock.h"

namespace paceline::cli {

FollowCalls CallsOf(ControlClient* control) {
  FollowCalls calls;
  calls.describe = [control](const v1::DescribeJobRequest& request) {
    return control->DescribeJob(request, kCallTimeout);
  };
  calls.list_events = [control](const v1::ListEventsRequest& request) {
    return control->ListEvents(request, kCallTimeout);
  };
  calls.now = [] { return absl::Now(); };
  calls.sleep = [](absl::Duration duration) { absl::SleepFor(duration); };
  return calls;
}

}  // namespace paceline::cli
