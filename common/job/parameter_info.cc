#include "common/job/parameter_info.h"

#include "absl/strings/str_cat.h"

namespace paceline {

absl::Status PlaceParameter(ParameterInfo* parameter, uint64_t* total) {
  const uint64_t room = kMaxJobElements - *total;
  uint64_t elements = 1;
  bool fits = room >= 1;
  for (const uint64_t dimension : parameter->shape) {
    fits = fits && dimension <= room / elements;
    if (fits) elements *= dimension;
  }
  if (!fits) {
    return absl::InvalidArgumentError(
        absl::StrCat("parameter '", parameter->name, "' brings the job, which has ", *total,
                     " elements without it, to more than ", kMaxJobElements, " (2^40)"));
  }
  parameter->elements = elements;
  parameter->offset = *total;
  *total += elements;
  return absl::OkStatus();
}

}  // namespace paceline
