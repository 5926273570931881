#include "worker/model/positional_embedding.h"

#include "common/base/status_macros.h"

namespace paceline {

using kernels::Kernels;

absl::Status PositionalEmbedding::Forward(Kernels& kernels, const ForwardArguments& a) const {
  RETURN_IF_ERROR(kernels.Copy(a.input.array, a.output.array));
  return kernels.AddBiasRows(a.parameters, a.output);
}

absl::Status PositionalEmbedding::Backward(Kernels& kernels, const BackwardArguments& a) const {
  RETURN_IF_ERROR(kernels.ColumnSums(a.output_gradient, a.parameter_gradient));
  if (a.input_gradient.rows == 0) return absl::OkStatus();
  return kernels.Copy(a.output_gradient.array, a.input_gradient.array);
}

}  // namespace paceline
