#include "cli/fleet_error.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace paceline::cli {

absl::Status WithAdvice(const absl::Status& status, const std::string& fleet) {
  if (!absl::IsUnavailable(status) && !absl::IsDeadlineExceeded(status)) return status;
  const absl::string_view why =
      absl::StripPrefix(status.message(), absl::StrCat("coordinator at ", fleet, ": "));
  return absl::Status(
      status.code(),
      absl::StrCat("no coordinator answers at ", fleet, " (", why, ")\n",
                   "  to ask another one: --fleet host:port, or the environment's PACELINE_FLEET\n",
                   "  to look closer: paceline doctor --fleet ", fleet));
}

}  // namespace paceline::cli
