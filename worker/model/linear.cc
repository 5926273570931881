#include "worker/model/linear.h"

#include "common/base/status_macros.h"

namespace paceline {

using kernels::ConstArray;
using kernels::ConstMatrix;
using kernels::Kernels;
using kernels::Matrix;

ConstMatrix Linear::Weight(ConstArray parameters) const {
  return {parameters.Slice(0, weight_elements()), in_, units_};
}

absl::Status Linear::Forward(Kernels& kernels, const ForwardArguments& a) const {
  const Matrix output = InRowsOf(units_, a.output);
  RETURN_IF_ERROR(kernels.Matmul({InRowsOf(in_, a.input)}, {Weight(a.parameters)}, output));
  return kernels.AddBiasRows(a.parameters.Slice(weight_elements(), units_), output);
}

absl::Status Linear::Backward(Kernels& kernels, const BackwardArguments& a) const {
  const ConstMatrix output_gradient = InRowsOf(units_, a.output_gradient);
  const Matrix weight_gradient = {a.parameter_gradient.Slice(0, weight_elements()), in_, units_};
  RETURN_IF_ERROR(
      kernels.Matmul({InRowsOf(in_, a.input), true}, {output_gradient}, weight_gradient));
  RETURN_IF_ERROR(
      kernels.ColumnSums(output_gradient, a.parameter_gradient.Slice(weight_elements(), units_)));
  if (a.input_gradient.rows == 0) return absl::OkStatus();
  return kernels.Matmul({output_gradient}, {Weight(a.parameters), true},
                        InRowsOf(in_, a.input_gradient));
}

}  // namespace paceline
