#include "common/base/clock.h"

#include <chrono>

#include "absl/time/clock.h"

namespace paceline {

absl::Time SteadyNow() {
  using Steady = std::chrono::steady_clock;
  struct Origin {
    absl::Time wall = absl::Now();
    Steady::time_point steady = Steady::now();
  };
  static const Origin origin;
  return origin.wall + absl::FromChrono(Steady::now() - origin.steady);
}

}  // namespace paceline
