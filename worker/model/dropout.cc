#include "worker/model/dropout.h"

#include "kernels/counter_bits.h"

namespace paceline {

using kernels::Kernels;

// A rate of 0 drops nothing and divides by 1.
kernels::RandomDraw Dropout::Draw(const Pass& pass) const {
  return {kernels::CounterBits(pass.random_key, number_), pass.training ? rate_ : 0};
}

absl::Status Dropout::Forward(Kernels& kernels, const ForwardArguments& a) const {
  return kernels.Dropout(Draw(a.pass), a.input.array, a.output.array);
}

absl::Status Dropout::Backward(Kernels& kernels, const BackwardArguments& a) const {
  if (a.input_gradient.rows == 0) return absl::OkStatus();
  return kernels.Dropout(Draw(a.pass), a.output_gradient.array, a.input_gradient.array);
}

}  // namespace paceline
