// Calls to a fleet's coordinator as the commands make them.
#ifndef PACELINE_CLI_FLEET_CALL_H_
#define PACELINE_CLI_FLEET_CALL_H_

#include "absl/time/time.h"
#include "cli/follow.h"
#include "client/control_client.h"

namespace paceline::cli {

// A call to the fleet that should be answered at once.
constexpr absl::Duration kCallTimeout = absl::Seconds(10);

// The real ones. `control` must outlive them.
FollowCalls CallsOf(ControlClient* control);

}  // namespace paceline::cli

#endif  // PACELINE_CLI_FLEET_CALL_H_
