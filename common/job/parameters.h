// The parameters of a job: their names, shapes, places in the job's flat vector, initial values.
//
// Shapes   The flat vector is every parameter's elements, row-major, one parameter after the other
//          in the order of ParametersOf.
// Errors   InvalidArgument: a model whose layers do not fit its loss, a model without parameters,
//          more than kMaxJobElements elements.
// Threads  Pure functions.
// Source   proto/job.proto (LinearLayer, ParameterSpec); He et al., ICCV 2015; Glorot & Bengio,
//          AISTATS 2010.
#ifndef PACELINE_COMMON_JOB_PARAMETERS_H_
#define PACELINE_COMMON_JOB_PARAMETERS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "proto/job.pb.h"

namespace paceline {

// Elements in all parameters of one job: 4 TiB of float32.
inline constexpr uint64_t kMaxJobElements = uint64_t{1} << 40;

// One dense parameter. Every dimension is at least 1, so `elements` is too.
struct ParameterInfo {
  enum class Initial {
    kConstant,  // Every element is initial_value.
    kUniform,   // Uniform in [-initial_value, initial_value).
  };

  std::string name;
  std::vector<uint64_t> shape;  // Empty: one number.
  uint64_t elements = 0;
  uint64_t offset = 0;  // Of the first element in the job's flat vector.
  Initial initial = Initial::kConstant;
  float initial_value = 0;
};

// The parameters of a resolved spec, in flat order: a model's layers from input to output, weight
// before bias; or the bare parameters as listed. Layers need facts.features >= 1; bare parameters
// do not look at `facts`.
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
