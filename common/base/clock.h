// The time the shells tell the cores: it never goes backwards, whatever is done to the wall clock.
//
// Threads  Safe from any.
#ifndef PACELINE_COMMON_BASE_CLOCK_H_
#define PACELINE_COMMON_BASE_CLOCK_H_

#include "absl/time/time.h"

namespace paceline {

// The wall clock's time at the process's first call, plus what a steady clock has counted since.
absl::Time SteadyNow();

}  // namespace paceline

#endif  // PACELINE_COMMON_BASE_CLOCK_H_
