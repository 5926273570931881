#include "worker/model/gelu.h"

namespace paceline {

using kernels::Kernels;

absl::Status Gelu::Forward(Kernels& kernels, const ForwardArguments& a) const {
  return kernels.Gelu(a.input.array, a.output.array);
}

absl::Status Gelu::Backward(Kernels& kernels, const BackwardArguments& a) const {
  if (a.input_gradient.rows == 0) return absl::OkStatus();
  return kernels.GeluBackward(a.input.array, a.output_gradient.array, a.input_gradient.array);
}

}  // namespace paceline
