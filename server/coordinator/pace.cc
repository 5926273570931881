#include "server/coordinator/pace.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace paceline {
namespace {

constexpr double kKnownAfterSeconds = 0.1;
constexpr double kRunsMax = 64;

// Samples per second; 0: not known, which no comparison below mistakes for slow. Reports come from
// outside: a rate that is not a number is not known either.
double Speed(const v1::WorkerJobReport& report) {
  const double seconds = report.compute_s() + report.transfer_s();
  if (!(seconds >= kKnownAfterSeconds) || !std::isfinite(seconds)) return 0;
  return static_cast<double>(report.samples()) / seconds;
}

}  // namespace

uint32_t RunsPerClock(const v1::WorkerJobReport& mine,
                      absl::Span<const v1::WorkerJobReport* const> all) {
  const double speed = Speed(mine);
  double slowest = std::numeric_limits<double>::infinity();
  for (const v1::WorkerJobReport* report : all) {
    const double other = Speed(*report);
    if (other > 0) slowest = std::min(slowest, other);
  }
  if (!(speed > slowest)) return 1;
  return static_cast<uint32_t>(std::min(kRunsMax, std::round(speed / slowest)));
}

}  // namespace paceline
