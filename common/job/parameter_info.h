// One dense parameter of a job: its name, shape, place in the job's flat vector, initial value.
//
// Errors   PlaceParameter: InvalidArgument, with the parameter's name, when the job would have more
//          than kMaxJobElements elements; nothing has been changed.
// Threads  Pure functions.
#ifndef PACELINE_COMMON_JOB_PARAMETER_INFO_H_
#define PACELINE_COMMON_JOB_PARAMETER_INFO_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace paceline {

// Elements in all parameters of one job: 4 TiB of float32.
inline constexpr uint64_t kMaxJobElements = uint64_t{1} << 40;

// Every dimension is at least 1, so `elements` is too.
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

// Gives `parameter`, whose shape is known, its elements and its place behind the `total` elements
// of the job so far, and adds it to them.
absl::Status PlaceParameter(ParameterInfo* parameter, uint64_t* total);

}  // namespace paceline

#endif  // PACELINE_COMMON_JOB_PARAMETER_INFO_H_
