// What a person can do about a fleet that does not answer. Pure text.
#ifndef PACELINE_CLI_FLEET_ERROR_H_
#define PACELINE_CLI_FLEET_ERROR_H_

#include <string>

#include "absl/status/status.h"

namespace paceline::cli {

// `status` of a call to the coordinator at `fleet`: with advice if it says that nobody answered,
// else as it is.
absl::Status WithAdvice(const absl::Status& status, const std::string& fleet);

}  // namespace paceline::cli

#endif  // PACELINE_CLI_FLEET_ERROR_H_
