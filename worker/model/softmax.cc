#include "worker/model/softmax.h"

namespace paceline {

using kernels::Kernels;

absl::Status Softmax::Forward(Kernels& kernels, const ForwardArguments& a) const {
  return kernels.Softmax(InRowsOf(classes_, a.input), InRowsOf(classes_, a.output));
}

absl::Status Softmax::Backward(Kernels& kernels, const BackwardArguments& a) const {
  if (a.input_gradient.rows == 0) return absl::OkStatus();
  return kernels.SoftmaxBackward(InRowsOf(classes_, a.output),
                                 InRowsOf(classes_, a.output_gradient),
                                 InRowsOf(classes_, a.input_gradient));
}

}  // namespace paceline
