#include "worker/model/activation_layer.h"

namespace paceline {

absl::Status ActivationLayer::Forward(kernels::Kernels& kernels, const ForwardArguments& a) const {
  return kernels.Activate(activation_, a.input.array, a.output.array);
}

absl::Status ActivationLayer::Backward(kernels::Kernels& kernels,
                                       const BackwardArguments& a) const {
  if (a.input_gradient.rows == 0) return absl::OkStatus();
  return kernels.ActivateBackward(activation_, a.output.array, a.output_gradient.array,
                                  a.input_gradient.array);
}

}  // namespace paceline
