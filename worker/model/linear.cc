#include "worker/model/linear.h"

#include "common/base/status_macros.h"

namespace paceline {

using kernels::ConstArray;
using kernels::ConstMatrix;
using kernels::Kernels;
using kernels::Matrix;

ConstMatrix Linear::Weight(ConstArray parameters) const {
  return {parameters.Slice(0, weight_elements()), inputs(), outputs()};
}

absl::Status Linear::Forward(Kernels& kernels, ConstMatrix input, ConstArray parameters,
                             Matrix output) const {
  RETURN_IF_ERROR(kernels.Matmul({input}, {Weight(parameters)}, output));
  return kernels.AddBiasRows(parameters.Slice(weight_elements(), outputs()), output);
}

absl::Status Linear::Backward(Kernels& kernels, const BackwardArguments& a) const {
  const Matrix weight_gradient = {a.parameter_gradient.Slice(0, weight_elements()), inputs(),
                                  outputs()};
  RETURN_IF_ERROR(kernels.Matmul({a.input, true}, {a.output_gradient}, weight_gradient));
  RETURN_IF_ERROR(kernels.ColumnSums(a.output_gradient,
                                     a.parameter_gradient.Slice(weight_elements(), outputs())));
  if (a.input_gradient.rows == 0) return absl::OkStatus();
  return kernels.Matmul({a.output_gradient}, {Weight(a.parameters), true}, a.input_gradient);
}

}  // namespace paceline
