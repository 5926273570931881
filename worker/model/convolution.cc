#include "worker/model/convolution.h"

#include <algorithm>

#include "common/base/status_macros.h"

namespace paceline {

using kernels::ConstArray;
using kernels::ConstMatrix;
using kernels::Kernels;
using kernels::Matrix;

namespace {

// Rows [begin, begin + count).
ConstMatrix RowsOf(ConstMatrix m, uint64_t begin, uint64_t count) {
  return {m.array.Slice(begin * m.columns, count * m.columns), count, m.columns};
}
Matrix RowsOf(Matrix m, uint64_t begin, uint64_t count) {
  return {m.array.Slice(begin * m.columns, count * m.columns), count, m.columns};
}

}  // namespace

// Samples to unfold at once.
uint64_t Convolution::Portion(const Kernels& kernels, uint64_t samples) const {
  const uint64_t wanted = kernels.unfold_elements() / unfolded_elements();
  return std::min(samples, std::max<uint64_t>(wanted, 1));
}

uint64_t Convolution::scratch_elements(const Kernels& kernels, uint64_t samples) const {
  return Portion(kernels, samples) * unfolded_elements();
}

ConstMatrix Convolution::Weight(ConstArray parameters) const {
  return {parameters.Slice(0, weight_elements()), windows_.window_elements(), channels_};
}

absl::Status Convolution::Forward(Kernels& kernels, const ForwardArguments& a) const {
  const uint64_t samples = a.input.rows;
  const uint64_t portion = Portion(kernels, samples);
  for (uint64_t begin = 0; begin < samples; begin += portion) {
    const uint64_t count = std::min(portion, samples - begin);
    const Matrix unfolded = {a.scratch, count * windows_.positions(), windows_.window_elements()};
    RETURN_IF_ERROR(kernels.Unfold(windows_, RowsOf(a.input, begin, count), unfolded));
    RETURN_IF_ERROR(kernels.Matmul({unfolded}, {Weight(a.parameters)},
                                   InRowsOf(channels_, RowsOf(a.output, begin, count))));
  }
  return kernels.AddBiasRows(a.parameters.Slice(weight_elements(), channels_),
                             InRowsOf(channels_, a.output));
}

absl::Status Convolution::Backward(Kernels& kernels, const BackwardArguments& a) const {
  const uint64_t samples = a.input.rows;
  const uint64_t portion = Portion(kernels, samples);
  const Matrix weight_gradient = {a.parameter_gradient.Slice(0, weight_elements()),
                                  windows_.window_elements(), channels_};
  for (uint64_t begin = 0; begin < samples; begin += portion) {
    const uint64_t count = std::min(portion, samples - begin);
    const Matrix unfolded = {a.scratch, count * windows_.positions(), windows_.window_elements()};
    const ConstMatrix gradient = InRowsOf(channels_, RowsOf(a.output_gradient, begin, count));
    RETURN_IF_ERROR(kernels.Unfold(windows_, RowsOf(a.input, begin, count), unfolded));
    RETURN_IF_ERROR(kernels.Matmul({unfolded, true}, {gradient}, weight_gradient,
                                   {1, begin == 0 ? 0.0f : 1.0f}));
    if (a.input_gradient.rows == 0) continue;
    RETURN_IF_ERROR(kernels.Matmul({gradient}, {Weight(a.parameters), true}, unfolded));
    RETURN_IF_ERROR(kernels.Fold(windows_, unfolded, RowsOf(a.input_gradient, begin, count)));
  }
  return kernels.ColumnSums(InRowsOf(channels_, a.output_gradient),
                            a.parameter_gradient.Slice(weight_elements(), channels_));
}

}  // namespace paceline
