// The fingerprint of a model's weights that a job's result is known by.
//
// Shapes   `flat` is the job's flat vector; what is hashed is each parameter's elements as float32,
//          little-endian, the parameters in byte order of their names.
// Threads  A pure function.
#ifndef PACELINE_WORKER_LOOP_WEIGHTS_HASH_H_
#define PACELINE_WORKER_LOOP_WEIGHTS_HASH_H_

#include <string>
#include <vector>

#include "absl/types/span.h"
#include "common/job/parameters.h"

namespace paceline {

// 64 lower-case hex digits. `flat` holds every element of `parameters`.
std::string WeightsSha256(const std::vector<ParameterInfo>& parameters,
                          absl::Span<const float> flat);

}  // namespace paceline

#endif  // PACELINE_WORKER_LOOP_WEIGHTS_HASH_H_
