#include "worker/model/pool.h"

namespace paceline {

using kernels::Kernels;

absl::Status Pool::Forward(Kernels& kernels, const ForwardArguments& a) const {
  if (kind_ == Kind::kMax) return kernels.MaxPool(windows_, a.input, a.output, a.saved);
  return kernels.AveragePool(windows_, a.input, a.output);
}

absl::Status Pool::Backward(Kernels& kernels, const BackwardArguments& a) const {
  if (a.input_gradient.rows == 0) return absl::OkStatus();
  if (kind_ == Kind::kAverage) {
    return kernels.AveragePoolBackward(windows_, a.output_gradient, a.input_gradient);
  }
  return kernels.MaxPoolBackward(windows_, a.saved, a.output_gradient, a.input_gradient);
}

}  // namespace paceline
