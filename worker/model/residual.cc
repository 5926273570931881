#include "worker/model/residual.h"

#include "common/base/status_macros.h"

namespace paceline {

using kernels::Kernels;
using kernels::Matrix;

// What f gives is saved behind what its layers save, for those of them that read their output.
absl::Status Residual::Forward(Kernels& kernels, const ForwardArguments& a) const {
  const uint64_t samples = a.input.rows;
  const uint64_t saved = stack_->saved_elements(samples);
  ForwardArguments inner = a;
  inner.saved = a.saved.Slice(0, saved);
  inner.output = {a.saved.Slice(saved, samples * outputs()), samples, outputs()};
  RETURN_IF_ERROR(stack_->Forward(kernels, inner));
  return kernels.Add(a.input.array, inner.output.array, a.output.array);
}

absl::Status Residual::Backward(Kernels& kernels, const BackwardArguments& a) const {
  const uint64_t samples = a.input.rows;
  const uint64_t saved = stack_->saved_elements(samples);
  BackwardArguments inner = a;
  inner.saved = a.saved.Slice(0, saved);
  inner.output = {a.saved.Slice(saved, samples * outputs()), samples, outputs()};
  RETURN_IF_ERROR(stack_->Backward(kernels, inner));
  if (a.input_gradient.rows == 0) return absl::OkStatus();
  return kernels.Add(a.input_gradient.array, a.output_gradient.array, a.input_gradient.array);
}

}  // namespace paceline
