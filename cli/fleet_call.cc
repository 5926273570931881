#include "cli/fleet_call.h"

#include <cstdio>

#include "absl/time/clock.h"
#include "cli/render.h"

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

void PrintReply(bool json, const google::protobuf::Message& reply, const std::string& text) {
  if (json) {
    std::printf("%s\n", MessageJson(reply).c_str());
  } else {
    std::printf("%s", text.c_str());
  }
}

}  // namespace paceline::cli
