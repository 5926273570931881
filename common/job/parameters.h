// The parameters of a job: their names, shapes, places in the job's flat vector, initial values.
//
// Shapes   The flat vector is every parameter's elements, row-major, one parameter after the other
//          in the order of ParametersOf.
// Errors   InvalidArgument: what common/job/layer_plan.h says of layers; a model of neither layers
//          nor parameters; more than kMaxJobElements elements.
// Threads  Pure functions.
// Source   proto/job.proto (LayerSpec, ParameterSpec).
#ifndef PACELINE_COMMON_JOB_PARAMETERS_H_
#define PACELINE_COMMON_JOB_PARAMETERS_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "common/job/parameter_info.h"
#include "proto/job.pb.h"

namespace paceline {

// The parameters of a resolved spec, in flat order: a model's layers from input to output, each
// in the order of common/job/layer_plan.h; or the bare parameters as listed. Layers need
// facts.features >= 1; bare parameters do not look at `facts`.
absl::StatusOr<std::vector<ParameterInfo>> ParametersOf(const v1::JobSpec& spec,
                                                        const v1::DatasetFacts& facts);

// Elements in all of `parameters`.
uint64_t TotalElements(absl::Span<const ParameterInfo> parameters);

// Writes the initial values of elements [begin, begin + out.size()) of `parameter`, which has that
// many. Element i depends only on (seed, parameter.name, i), so any process may fill any range.
void InitializeParameters(const ParameterInfo& parameter, uint64_t seed, uint64_t begin,
                          absl::Span<float> out);

}  // namespace paceline

#endif  // PACELINE_COMMON_JOB_PARAMETERS_H_
