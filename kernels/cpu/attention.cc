#include "kernels/cpu/attention.h"

#include <cblas-openblas.h>

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "kernels/cpu/rows.h"

namespace paceline::kernels::cpu {
namespace {

// Rows of a matrix that is part of a wider one.
struct Part {
  const float* begin;
  uint64_t stride;
  bool transposed = false;
};

// c = alpha a b, [m, n], over k.
void Multiply(uint64_t m, uint64_t n, uint64_t k, float alpha, Part a, Part b, float* c,
              uint64_t c_stride) {
  cblas_sgemm(CblasRowMajor, a.transposed ? CblasTrans : CblasNoTrans,
              b.transposed ? CblasTrans : CblasNoTrans, static_cast<blasint>(m),
              static_cast<blasint>(n), static_cast<blasint>(k), alpha, a.begin,
              static_cast<blasint>(a.stride), b.begin, static_cast<blasint>(b.stride), 0, c,
              static_cast<blasint>(c_stride));
}

// Where one head of one sample is.
struct Head {
  Head(const AttentionShape& s, uint64_t sample, uint64_t head)
      : query(sample * s.length * 3 * s.width() + head * s.head_width),
        key(query + s.width()),
        value(key + s.width()),
        probabilities((sample * s.heads + head) * s.length * s.length),
        output(sample * s.length * s.width() + head * s.head_width) {}

  uint64_t query, key, value;  // In qkv.
  uint64_t probabilities;
  uint64_t output;
};

template <typename F>
void ForEachHead(const AttentionShape& s, F f) {
  for (uint64_t sample = 0; sample < s.samples; ++sample) {
    for (uint64_t head = 0; head < s.heads; ++head) f(Head(s, sample, head));
  }
}

float ScaleOf(const AttentionShape& s) { return 1 / std::sqrt(static_cast<float>(s.head_width)); }

// How many positions position `i` sees: the first ones.
uint64_t SeenBy(const AttentionShape& s, uint64_t i) { return s.causal ? i + 1 : s.length; }

}  // namespace

void Attention(const AttentionShape& s, ConstMatrix qkv, Array probabilities, Matrix output) {
  const uint64_t length = s.length, stride = 3 * s.width();
  const float* in = qkv.array.address;
  ForEachHead(s, [&](const Head& head) {
    float* p = probabilities.address + head.probabilities;
    Multiply(length, length, s.head_width, 1, {in + head.query, stride},
             {in + head.key, stride, true}, p, length);
    for (uint64_t i = 0; i < length; ++i) {
      float* row = p + i * length;
      SoftmaxRow(row, SeenBy(s, i), ScaleOf(s), row);
      std::fill(row + SeenBy(s, i), row + length, 0.0f);
    }
    Multiply(length, s.head_width, length, 1, {p, length}, {in + head.value, stride},
             output.array.address + head.output, s.width());
  });
}

void AttentionBackward(const AttentionShape& s, ConstMatrix qkv, ConstArray probabilities,
                       ConstMatrix output_gradient, Array scratch, Matrix qkv_gradient) {
  const uint64_t length = s.length, stride = 3 * s.width();
  const float* in = qkv.array.address;
  float* out = qkv_gradient.array.address;
  ForEachHead(s, [&](const Head& head) {
    const float* p = probabilities.address + head.probabilities;
    float* scores = scratch.address + head.probabilities;
    const Part gradient = {output_gradient.array.address + head.output, s.width()};
    Multiply(length, s.head_width, length, 1, {p, length, true}, gradient, out + head.value,
             stride);
    Multiply(length, length, s.head_width, 1, gradient, {in + head.value, stride, true}, scores,
             length);
    for (uint64_t i = 0; i < length; ++i) {
      float* row = scores + i * length;
      SoftmaxRowBackward(p + i * length, row, SeenBy(s, i), row);
      std::fill(row + SeenBy(s, i), row + length, 0.0f);
    }
    Multiply(length, s.head_width, length, ScaleOf(s), {scores, length}, {in + head.key, stride},
             out + head.query, stride);
    Multiply(length, s.head_width, length, ScaleOf(s), {scores, length, true},
             {in + head.query, stride}, out + head.key, stride);
  });
}

}  // namespace paceline::kernels::cpu
