#include "worker/loop/weights_hash.h"

#include <algorithm>

#include "common/base/check.h"
#include "common/base/sha256.h"

namespace paceline {

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "float32 is hashed as it lies in memory");

std::string WeightsSha256(const std::vector<ParameterInfo>& parameters,
                          absl::Span<const float> flat) {
  PACELINE_CHECK(flat.size() == TotalElements(parameters));
  std::vector<const ParameterInfo*> by_name;
  for (const ParameterInfo& parameter : parameters) by_name.push_back(&parameter);
  std::sort(by_name.begin(), by_name.end(),
            [](const ParameterInfo* a, const ParameterInfo* b) { return a->name < b->name; });

  Sha256 hash;
  for (const ParameterInfo* const parameter : by_name) {
    hash.Update(flat.data() + parameter->offset, parameter->elements * sizeof(float));
  }
  return hash.Hex();
}

}  // namespace paceline
