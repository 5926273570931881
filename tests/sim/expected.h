// What a finished job's parameters must be, worked out from the scenario alone.
//
// Threads  Pure functions.
#ifndef PACELINE_TESTS_SIM_EXPECTED_H_
#define PACELINE_TESTS_SIM_EXPECTED_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "proto/control.pb.h"
#include "tests/sim/scenario.h"

namespace paceline::sim {

// Whether plain SGD's sum can be told from the scenario: no other rule, no clipping.
bool HasExactSum(const Scenario& scenario);

// With HasExactSum: compares the job's flat vector with initial - lr * (every run's mean gradient,
// once). Where the scenario is exact and
// the initial value is 0, every bit counts. Empty: as it should be.
std::string CompareWithExactSum(const Scenario& scenario,
                                const std::map<uint32_t, v1::Segment>& segments,
                                const std::vector<float>& parameters);

}  // namespace paceline::sim

#endif  // PACELINE_TESTS_SIM_EXPECTED_H_
