// ssp: how much work a clock holds for each worker, so that a clock takes all of them about equally
// long. Without it every worker would go at the pace of the slowest as soon as the bound is used
// up.
//
// Threads  A pure function.
#ifndef PACELINE_SERVER_COORDINATOR_PACE_H_
#define PACELINE_SERVER_COORDINATOR_PACE_H_

#include <cstdint>

#include "absl/types/span.h"
#include "proto/control.pb.h"

namespace paceline {

// Runs in one clock of the worker that reports `mine`, in [1, 64]: its speed over that of the
// slowest of `all`, to the nearest whole number. Speed is samples per second of computing and
// transferring; a worker that has not worked for a tenth of a second has none yet, and counts for
// nothing.
uint32_t RunsPerClock(const v1::WorkerJobReport& mine,
                      absl::Span<const v1::WorkerJobReport* const> all);

}  // namespace paceline

#endif  // PACELINE_SERVER_COORDINATOR_PACE_H_
