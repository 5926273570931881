#include "kernels/cpu/rows.h"

#include <algorithm>
#include <cmath>

namespace paceline::kernels::cpu {
namespace {

constexpr uint64_t kLanes = 16;

// The sum of f(0) ... f(count - 1).
template <typename F>
float LaneSum(uint64_t count, F f) {
  float lanes[kLanes] = {};
  uint64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (uint64_t lane = 0; lane < kLanes; ++lane) lanes[lane] += f(i + lane);
  }
  for (uint64_t lane = 0; i + lane < count; ++lane) lanes[lane] += f(i + lane);
  for (uint64_t half = kLanes / 2; half > 0; half /= 2) {
    for (uint64_t lane = 0; lane < half; ++lane) lanes[lane] += lanes[lane + half];
  }
  return lanes[0];
}

void LayerNormRow(float epsilon, const float* x, const float* scale, const float* bias,
                  uint64_t count, float* y, float* statistics) {
  const auto n = static_cast<float>(count);
  const float mean = LaneSum(count, [x](uint64_t i) { return x[i]; }) / n;
  const float variance = LaneSum(count,
                                 [x, mean](uint64_t i) {
                                   const float d = x[i] - mean;
                                   return d * d;
                                 }) /
                         n;
  const float inverse = 1 / std::sqrt(variance + epsilon);
  for (uint64_t i = 0; i < count; ++i) y[i] = (x[i] - mean) * inverse * scale[i] + bias[i];
  statistics[0] = mean;
  statistics[1] = inverse;
}

// With z = (x - mean) inverse and h = gradient * scale: inverse (h - mean(h) - z mean(h z)).
void LayerNormRowBackward(const float* x, const float* gradient, const float* scale,
                          const float* statistics, uint64_t count, float* input_gradient) {
  const float mean = statistics[0], inverse = statistics[1];
  const auto n = static_cast<float>(count);
  const float sum = LaneSum(count, [=](uint64_t i) { return gradient[i] * scale[i]; });
  const float product = LaneSum(
      count, [=](uint64_t i) { return gradient[i] * scale[i] * ((x[i] - mean) * inverse); });
  const float mean_h = sum / n, mean_hz = product / n;
  for (uint64_t i = 0; i < count; ++i) {
    const float z = (x[i] - mean) * inverse;
    input_gradient[i] = inverse * (gradient[i] * scale[i] - mean_h - z * mean_hz);
  }
}

}  // namespace

void SoftmaxRow(const float* input, uint64_t count, float scale, float* output) {
  float largest = input[0] * scale;
  for (uint64_t i = 1; i < count; ++i) largest = std::max(largest, input[i] * scale);
  for (uint64_t i = 0; i < count; ++i) output[i] = std::exp(input[i] * scale - largest);
  const float inverse = 1 / LaneSum(count, [output](uint64_t i) { return output[i]; });
  for (uint64_t i = 0; i < count; ++i) output[i] *= inverse;
}

void SoftmaxRowBackward(const float* output, const float* output_gradient, uint64_t count,
                        float* input_gradient) {
  const float sum = LaneSum(count, [=](uint64_t i) { return output[i] * output_gradient[i]; });
  for (uint64_t i = 0; i < count; ++i) {
    input_gradient[i] = output[i] * (output_gradient[i] - sum);
  }
}

void Softmax(ConstMatrix input, Matrix output) {
  for (uint64_t i = 0; i < input.rows; ++i) {
    const uint64_t begin = i * input.columns;
    SoftmaxRow(input.array.address + begin, input.columns, 1, output.array.address + begin);
  }
}

void SoftmaxBackward(ConstMatrix output, ConstMatrix output_gradient, Matrix input_gradient) {
  for (uint64_t i = 0; i < output.rows; ++i) {
    const uint64_t begin = i * output.columns;
    SoftmaxRowBackward(output.array.address + begin, output_gradient.array.address + begin,
                       output.columns, input_gradient.array.address + begin);
  }
}

void LayerNorm(float epsilon, ConstMatrix input, ConstArray scale, ConstArray bias, Matrix output,
               Matrix statistics) {
  for (uint64_t i = 0; i < input.rows; ++i) {
    const uint64_t begin = i * input.columns;
    LayerNormRow(epsilon, input.array.address + begin, scale.address, bias.address, input.columns,
                 output.array.address + begin, statistics.array.address + 2 * i);
  }
}

void LayerNormBackward(const LayerNormBackwardArguments& a) {
  const uint64_t columns = a.input.columns;
  std::fill_n(a.scale_gradient.address, columns, 0.0f);
  std::fill_n(a.bias_gradient.address, columns, 0.0f);
  for (uint64_t i = 0; i < a.input.rows; ++i) {
    const float* x = a.input.array.address + i * columns;
    const float* gradient = a.output_gradient.array.address + i * columns;
    const float* statistics = a.statistics.array.address + 2 * i;
    const float mean = statistics[0], inverse = statistics[1];
    for (uint64_t j = 0; j < columns; ++j) {
      a.scale_gradient.address[j] += gradient[j] * ((x[j] - mean) * inverse);
      a.bias_gradient.address[j] += gradient[j];
    }
    if (a.input_gradient.rows == 0) continue;
    LayerNormRowBackward(x, gradient, a.scale.address, statistics, columns,
                         a.input_gradient.array.address + i * columns);
  }
}

}  // namespace paceline::kernels::cpu
