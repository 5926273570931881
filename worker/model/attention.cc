#include "worker/model/attention.h"

#include "common/base/status_macros.h"

namespace paceline {

using kernels::Array;
using kernels::AttentionShape;
using kernels::ConstArray;
using kernels::ConstMatrix;
using kernels::Kernels;
using kernels::Matrix;

namespace {

// Parts of one array, one after the other.
template <typename ArrayType>
struct Parts {
  ArrayType qkv, heads, probabilities;
};

template <typename ArrayType>
Parts<ArrayType> PartsOf(ArrayType array, const AttentionShape& shape) {
  const uint64_t rows = shape.samples * shape.length;
  const uint64_t qkv = rows * 3 * shape.width(), heads = rows * shape.width();
  return {array.Slice(0, qkv), array.Slice(qkv, heads),
          array.Slice(qkv + heads, shape.probabilities())};
}

}  // namespace

Attention::Attention(uint64_t length, uint64_t width, uint64_t heads, bool causal)
    : Layer(length * width, length * width),
      length_(length),
      heads_(heads),
      causal_(causal),
      in_(length, width, 3 * width),
      out_(length, width, width) {}

AttentionShape Attention::Shape(uint64_t samples) const {
  return {samples, length_, heads_, inputs() / length_ / heads_, causal_};
}

// Queries, keys and values; the heads' outputs; their probabilities.
uint64_t Attention::saved_elements(uint64_t samples) const {
  return 4 * samples * inputs() + Shape(samples).probabilities();
}

// The gradients of what is saved.
uint64_t Attention::scratch_elements(const Kernels& /*kernels*/, uint64_t samples) const {
  return saved_elements(samples);
}

absl::Status Attention::Forward(Kernels& kernels, const ForwardArguments& a) const {
  const uint64_t samples = a.input.rows;
  const AttentionShape shape = Shape(samples);
  const Parts<Array> saved = PartsOf(a.saved, shape);
  const uint64_t rows = samples * length_;

  ForwardArguments in;
  in.input = a.input;
  in.parameters = a.parameters.Slice(0, in_.parameter_elements());
  in.output = {saved.qkv, samples, in_.outputs()};
  RETURN_IF_ERROR(in_.Forward(kernels, in));

  RETURN_IF_ERROR(kernels.Attention(shape, ConstMatrix{saved.qkv, rows, 3 * shape.width()},
                                    saved.probabilities, {saved.heads, rows, shape.width()}));

  ForwardArguments out;
  out.input = {saved.heads, samples, inputs()};
  out.parameters = a.parameters.Slice(in_.parameter_elements(), out_.parameter_elements());
  out.output = a.output;
  return out_.Forward(kernels, out);
}

absl::Status Attention::Backward(Kernels& kernels, const BackwardArguments& a) const {
  const uint64_t samples = a.input.rows;
  const AttentionShape shape = Shape(samples);
  const Parts<ConstArray> saved = PartsOf(a.saved, shape);
  const Parts<Array> gradients = PartsOf(a.scratch, shape);
  const uint64_t rows = samples * length_;

  BackwardArguments out;
  out.input = {saved.heads, samples, inputs()};
  out.output = a.output;
  out.parameters = a.parameters.Slice(in_.parameter_elements(), out_.parameter_elements());
  out.output_gradient = a.output_gradient;
  out.parameter_gradient =
      a.parameter_gradient.Slice(in_.parameter_elements(), out_.parameter_elements());
  out.input_gradient = {gradients.heads, samples, inputs()};
  RETURN_IF_ERROR(out_.Backward(kernels, out));

  const Matrix qkv_gradient = {gradients.qkv, rows, 3 * shape.width()};
  RETURN_IF_ERROR(kernels.AttentionBackward(
      shape, {saved.qkv, rows, 3 * shape.width()}, saved.probabilities,
      ConstMatrix(gradients.heads, rows, shape.width()), gradients.probabilities, qkv_gradient));

  BackwardArguments in;
  in.input = a.input;
  in.output = {saved.qkv, samples, in_.outputs()};
  in.parameters = a.parameters.Slice(0, in_.parameter_elements());
  in.output_gradient = ConstMatrix(gradients.qkv, samples, in_.outputs());
  in.parameter_gradient = a.parameter_gradient.Slice(0, in_.parameter_elements());
  in.input_gradient = a.input_gradient;
  return in_.Backward(kernels, in);
}

}  // namespace paceline
