#include "kernels/cpu/elementwise.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "kernels/counter_bits.h"

namespace paceline::kernels::cpu {
namespace {

// Of the two forms, the one whose exponential cannot overflow.
float Sigmoid(float x) {
  if (x < 0) {
    const float e = std::exp(x);
    return e / (1 + e);
  }
  return 1 / (1 + std::exp(-x));
}

// The normal distribution's share below x.
float NormalShare(float x) { return 0.5f * (1 + std::erf(x * 0.70710678f)); }

template <typename F>
void Map(ConstArray input, Array output, F f) {
  const float* x = input.address;
  float* y = output.address;
  for (uint64_t i = 0; i < input.elements; ++i) y[i] = f(x[i]);
}

template <typename F>
void Map2(ConstArray left, ConstArray right, Array output, F f) {
  const float* a = left.address;
  const float* b = right.address;
  float* y = output.address;
  for (uint64_t i = 0; i < left.elements; ++i) y[i] = f(a[i], b[i]);
}

}  // namespace

void AddBiasRows(ConstArray bias, Matrix rows) {
  const float* b = bias.address;
  for (uint64_t i = 0; i < rows.rows; ++i) {
    float* row = rows.array.address + i * rows.columns;
    for (uint64_t j = 0; j < rows.columns; ++j) row[j] += b[j];
  }
}

void ColumnSums(ConstMatrix rows, Array sums) {
  float* sum = sums.address;
  std::copy_n(rows.array.address, rows.columns, sum);
  for (uint64_t i = 1; i < rows.rows; ++i) {
    const float* row = rows.array.address + i * rows.columns;
    for (uint64_t j = 0; j < rows.columns; ++j) sum[j] += row[j];
  }
}

void Activate(Activation activation, ConstArray input, Array output) {
  switch (activation) {
    case Activation::kRelu:
      // Not max(x, 0): NaN must come through, or a job that diverged would look healthy.
      return Map(input, output, [](float x) { return x < 0 ? 0.0f : x; });
    case Activation::kTanh:
      return Map(input, output, [](float x) { return std::tanh(x); });
    case Activation::kSigmoid:
      return Map(input, output, Sigmoid);
  }
}

void ActivateBackward(Activation activation, ConstArray output, ConstArray output_gradient,
                      Array input_gradient) {
  switch (activation) {
    case Activation::kRelu:
      return Map2(output, output_gradient, input_gradient,
                  [](float y, float g) { return y <= 0 ? 0.0f : g; });
    case Activation::kTanh:
      return Map2(output, output_gradient, input_gradient,
                  [](float y, float g) { return g * (1 - y * y); });
    case Activation::kSigmoid:
      return Map2(output, output_gradient, input_gradient,
                  [](float y, float g) { return g * (y * (1 - y)); });
  }
}

void Gelu(ConstArray input, Array output) {
  Map(input, output, [](float x) { return x * NormalShare(x); });
}

void GeluBackward(ConstArray input, ConstArray output_gradient, Array input_gradient) {
  Map2(input, output_gradient, input_gradient, [](float x, float g) {
    const float density = 0.39894228f * std::exp(-0.5f * x * x);
    return g * (NormalShare(x) + x * density);
  });
}

void Dropout(RandomDraw draw, ConstArray input, Array output) {
  const uint64_t drop_below = DropBelow(draw.rate);
  const float scale = 1 / (1 - draw.rate);
  const float* x = input.address;
  float* y = output.address;
  for (uint64_t i = 0; i < input.elements; ++i) {
    y[i] = IsDropped(draw.key, drop_below, i) ? 0.0f : x[i] * scale;
  }
}

void Axpy(float alpha, ConstArray x, Array y) {
  Map2(x, y, y, [alpha](float a, float b) { return b + alpha * a; });
}

void Scale(float alpha, Array x) {
  Map(x, x, [alpha](float a) { return alpha * a; });
}

void Add(ConstArray x, ConstArray y, Array sum) {
  Map2(x, y, sum, [](float a, float b) { return a + b; });
}

void Fill(float value, Array x) { std::fill_n(x.address, x.elements, value); }

}  // namespace paceline::kernels::cpu
