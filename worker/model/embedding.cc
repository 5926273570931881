#include "worker/model/embedding.h"

namespace paceline {

using kernels::Kernels;

absl::Status Embedding::Forward(Kernels& kernels, const ForwardArguments& a) const {
  return kernels.GatherRows({a.parameters, vocabulary_, width_}, a.input.array,
                            InRowsOf(width_, a.output));
}

absl::Status Embedding::Backward(Kernels& kernels, const BackwardArguments& a) const {
  return kernels.SumRowsById(InRowsOf(width_, a.output_gradient), a.input.array,
                             {a.parameter_gradient, vocabulary_, width_});
}

}  // namespace paceline
