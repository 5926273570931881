#include "worker/model/layer_norm.h"

namespace paceline {

using kernels::Kernels;

absl::Status LayerNorm::Forward(Kernels& kernels, const ForwardArguments& a) const {
  return kernels.LayerNorm(epsilon_, InRowsOf(width_, a.input), a.parameters.Slice(0, width_),
                           a.parameters.Slice(width_, width_), InRowsOf(width_, a.output),
                           {a.saved, a.input.rows * positions_, 2});
}

absl::Status LayerNorm::Backward(Kernels& kernels, const BackwardArguments& a) const {
  kernels::LayerNormBackwardArguments norm;
  norm.input = InRowsOf(width_, a.input);
  norm.scale = a.parameters.Slice(0, width_);
  norm.statistics = {a.saved, a.input.rows * positions_, 2};
  norm.output_gradient = InRowsOf(width_, a.output_gradient);
  norm.scale_gradient = a.parameter_gradient.Slice(0, width_);
  norm.bias_gradient = a.parameter_gradient.Slice(width_, width_);
  if (a.input_gradient.rows > 0) norm.input_gradient = InRowsOf(width_, a.input_gradient);
  return kernels.LayerNormBackward(norm);
}

}  // namespace paceline
