// Many seeds, one after the other.
//
// Threads  One thread at a time.
#ifndef PACELINE_TESTS_SIM_BATCH_H_
#define PACELINE_TESTS_SIM_BATCH_H_

#include <cstdint>
#include <functional>

#include "tests/sim/scenario.h"

namespace paceline::sim {

struct BatchResult {
  uint64_t runs = 0;
  uint64_t failures = 0;
};

// Runs `count` seeds from `first` on while `go_on` says so. Prints each failure with its seed and
// the command that replays it, and what the batch has covered; stops at `failures_max`.
BatchResult RunBatch(uint64_t first, uint64_t count, Mode mode, uint64_t failures_max,
                     const std::function<bool()>& go_on);

}  // namespace paceline::sim

#endif  // PACELINE_TESTS_SIM_BATCH_H_
