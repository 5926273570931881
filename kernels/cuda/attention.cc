#include "kernels/cuda/attention.h"

#include <cmath>
#include <cstdint>

#include "kernels/cuda/rows.h"

namespace paceline::kernels::cuda {
namespace {

// Rows of a matrix that is part of a wider one, and from one head's to the next.
struct Part {
  const float* begin;
  uint64_t stride;
  uint64_t head_step;
  bool transposed = false;
};

// The parts of one sample.
class Sample {
 public:
  Sample(const AttentionContext& context, uint64_t sample)
      : s_(context.shape), cublas_(context.cublas), sample_(sample) {}

  // `which`: 0 queries, 1 keys, 2 values.
  Part Qkv(const float* qkv, uint64_t which, bool transposed = false) const {
    return {qkv + (sample_ * s_.length * 3 + which) * s_.width(), 3 * s_.width(), s_.head_width,
            transposed};
  }
  Part Output(const float* output) const {
    return {output + sample_ * s_.length * s_.width(), s_.width(), s_.head_width};
  }
  Part Scores(const float* scores, bool transposed = false) const {
    const uint64_t head = s_.length * s_.length;
    return {scores + sample_ * s_.heads * head, s_.length, head, transposed};
  }

  // c = alpha a b for each head, [length, columns] over `inner`. `c` is written.
  std::string Multiply(uint64_t columns, uint64_t inner, float alpha, Part a, Part b,
                       Part c) const {
    GemmArguments g;
    g.a_transposed = b.transposed;  // As CudaKernels::DoMatmul: c' = b' a'.
    g.b_transposed = a.transposed;
    g.m = static_cast<int>(columns);
    g.n = static_cast<int>(s_.length);
    g.k = static_cast<int>(inner);
    g.alpha = alpha;
    g.a = b.begin;
    g.a_stride = static_cast<int>(b.stride);
    g.b = a.begin;
    g.b_stride = static_cast<int>(a.stride);
    g.beta = 0;
    g.c = const_cast<float*>(c.begin);
    g.c_stride = static_cast<int>(c.stride);
    return cublas_->SgemmBatched(
        g, {static_cast<int>(s_.heads), static_cast<int64_t>(b.head_step),
            static_cast<int64_t>(a.head_step), static_cast<int64_t>(c.head_step)});
  }

 private:
  const AttentionShape& s_;
  Cublas* const cublas_;
  const uint64_t sample_;
};

// f(sample) for each, until one fails.
template <typename F>
std::string ForEachSample(const AttentionContext& context, F f) {
  for (uint64_t i = 0; i < context.shape.samples; ++i) {
    std::string error = f(Sample(context, i));
    if (!error.empty()) return error;
  }
  return "";
}

float ScaleOf(const AttentionShape& s) { return 1 / std::sqrt(static_cast<float>(s.head_width)); }

RowMask MaskOf(const AttentionShape& s, float scale) { return {scale, s.causal ? s.length : 0}; }

std::string TextOf(CudaCode code) { return code == 0 ? "" : CudaCodeText(code); }

}  // namespace

std::string Attention(const AttentionContext& context, ConstMatrix qkv, Array probabilities,
                      Matrix output) {
  const AttentionShape& s = context.shape;
  const float* in = qkv.array.address;
  float* p = probabilities.address;
  std::string error = ForEachSample(context, [&](const Sample& sample) {
    return sample.Multiply(s.length, s.head_width, 1, sample.Qkv(in, 0), sample.Qkv(in, 1, true),
                           sample.Scores(p));
  });
  if (!error.empty()) return error;
  const Matrix rows = {probabilities, s.samples * s.heads * s.length, s.length};
  error = TextOf(Softmax(MaskOf(s, ScaleOf(s)), rows, rows, context.stream));
  if (!error.empty()) return error;
  return ForEachSample(context, [&](const Sample& sample) {
    return sample.Multiply(s.head_width, s.length, 1, sample.Scores(p), sample.Qkv(in, 2),
                           sample.Output(output.array.address));
  });
}

std::string AttentionBackward(const AttentionContext& context, ConstMatrix qkv,
                              ConstArray probabilities, ConstMatrix output_gradient, Array scratch,
                              Matrix qkv_gradient) {
  const AttentionShape& s = context.shape;
  const float* in = qkv.array.address;
  const float* p = probabilities.address;
  const float* gradient = output_gradient.array.address;
  float* out = qkv_gradient.array.address;
  std::string error = ForEachSample(context, [&](const Sample& sample) {
    std::string failed = sample.Multiply(s.head_width, s.length, 1, sample.Scores(p, true),
                                         sample.Output(gradient), sample.Qkv(out, 2));
    if (!failed.empty()) return failed;
    return sample.Multiply(s.length, s.head_width, 1, sample.Output(gradient),
                           sample.Qkv(in, 2, true), sample.Scores(scratch.address));
  });
  if (!error.empty()) return error;
  const uint64_t rows = s.samples * s.heads * s.length;
  const Matrix scores = {scratch, rows, s.length};
  error = TextOf(SoftmaxBackward(MaskOf(s, 1), {probabilities, rows, s.length}, scores, scores,
                                 context.stream));
  if (!error.empty()) return error;
  return ForEachSample(context, [&](const Sample& sample) {
    std::string failed =
        sample.Multiply(s.head_width, s.length, ScaleOf(s), sample.Scores(scratch.address),
                        sample.Qkv(in, 1), sample.Qkv(out, 0));
    if (!failed.empty()) return failed;
    return sample.Multiply(s.head_width, s.length, ScaleOf(s), sample.Scores(scratch.address, true),
                           sample.Qkv(in, 0), sample.Qkv(out, 1));
  });
}

}  // namespace paceline::kernels::cuda
