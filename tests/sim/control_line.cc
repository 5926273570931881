#include "tests/sim/control_line.h"

namespace paceline::sim {
namespace {

// As client/control_client.cc.
constexpr absl::Duration kRoundPause = absl::Milliseconds(100);

}  // namespace

absl::Duration ControlLine::Learn(const std::string& asked, const absl::Status& status,
                                  const ControlAnswer* answer, Search* search) {
  if (!absl::IsDeadlineExceeded(status) && !absl::IsUnavailable(status)) {
    return absl::InfiniteDuration();
  }
  const bool is_told = answer != nullptr;
  const std::string hint = is_told ? answer->coordinator : "";
  if (hint == kCoordinatorHere) return absl::InfiniteDuration();
  choice_.OnFailed(asked, hint);
  ++search->attempts;
  search->met_fleet |= is_told;
  if (!search->met_fleet && search->attempts >= choice_.size()) return absl::InfiniteDuration();
  return search->attempts <= choice_.size() ? absl::ZeroDuration() : kRoundPause;
}

}  // namespace paceline::sim
