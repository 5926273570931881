// What a finished job's parameters must be, worked out from the scenario alone.
//
// Threads  Pure functions.
#ifndef PACELINE_TESTS_SIM_EXPECTED_H_
#define PACELINE_TESTS_SIM_EXPECTED_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "proto/control.pb.h"
#include "tests/sim/scenario.h"

namespace paceline::sim {

// Whether plain SGD's sum can be told from the scenario: no other rule, no clipping.
bool HasExactSum(const Scenario& scenario);

// What came of a job.
struct Outcome {
  std::map<uint32_t, v1::Segment> segments;  // By index.
  // What a data shard's push counted for, by (partition, data shard); 1 where nothing is said.
  std::map<std::pair<uint32_t, uint64_t>, double> damping;
  std::vector<uint64_t> partition_ends;  // In the flat vector.
  std::vector<float> parameters;
  std::map<uint32_t, v1::PartitionReport> counted;  // By partition.
};

// With HasExactSum: compares the parameters with initial - lr * (every run's mean gradient, once);
// a quorum round's is that of whatever it held. Where the scenario is exact, nothing was damped and
// the initial value is 0, every bit counts. Empty: as it should be.
std::string CompareWithExactSum(const Scenario& scenario, const Outcome& outcome);

}  // namespace paceline::sim

#endif  // PACELINE_TESTS_SIM_EXPECTED_H_
