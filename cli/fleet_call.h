// Calls to a fleet's coordinator as the commands make them.
#ifndef PACELINE_CLI_FLEET_CALL_H_
#define PACELINE_CLI_FLEET_CALL_H_

#include <google/protobuf/message.h>

#include <string>

#include "absl/time/time.h"
#include "cli/follow.h"
#include "client/control_client.h"

namespace paceline::cli {

// A call to the fleet that should be answered at once.
constexpr absl::Duration kCallTimeout = absl::Seconds(10);

// The real ones. `control` must outlive them.
FollowCalls CallsOf(ControlClient* control);

// Prints what a call brought: with `json` the message, else `text`, which ends its own lines.
void PrintReply(bool json, const google::protobuf::Message& reply, const std::string& text);

}  // namespace paceline::cli

#endif  // PACELINE_CLI_FLEET_CALL_H_
