#include "kernels/cpu/loss.h"

#include <cmath>
#include <cstdint>
#include <limits>

namespace paceline::kernels::cpu {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// What one sample came to.
struct SampleLoss {
  float loss;
  float correct;
};

uint64_t FirstLargest(const float* row, uint64_t width) {
  uint64_t best = 0;
  for (uint64_t j = 1; j < width; ++j) {
    if (row[j] > row[best]) best = j;
  }
  return best;
}

// `gradient` is null or may be `row`.
SampleLoss Softmax(const float* row, uint64_t width, float label, float smoothing,
                   float* gradient) {
  const bool allowed =
      label >= 0 && label < static_cast<float>(width) && label == std::floor(label);
  const uint64_t target = allowed ? static_cast<uint64_t>(label) : 0;
  const uint64_t predicted = FirstLargest(row, width);
  const float largest = row[predicted];
  const float target_output = row[target];

  // In double, since a wide row adds very many small terms.
  double sum = 0, outputs = 0;
  for (uint64_t j = 0; j < width; ++j) sum += std::exp(row[j] - largest);
  if (smoothing > 0) {
    for (uint64_t j = 0; j < width; ++j) outputs += row[j] - largest;
  }
  const float spread = smoothing / static_cast<float>(width);
  if (gradient != nullptr) {
    const float scale = static_cast<float>(1 / sum);
    for (uint64_t j = 0; j < width; ++j) gradient[j] = std::exp(row[j] - largest) * scale;
    gradient[target] -= 1 - smoothing;
    if (smoothing > 0) {
      for (uint64_t j = 0; j < width; ++j) gradient[j] -= spread;
    }
  }
  float loss = static_cast<float>(std::log(sum)) - (target_output - largest);
  if (smoothing > 0) {
    const double mean = std::log(sum) - outputs / static_cast<double>(width);
    loss = static_cast<float>((1.0 - smoothing) * loss + smoothing * mean);
  }
  const bool hit = allowed && predicted == target && loss == loss;
  return {allowed ? loss : kNan, hit ? 1.0f : 0.0f};
}

SampleLoss Sigmoid(float output, float label, float* gradient) {
  const bool allowed = label == 0 || label == 1;
  const float small = std::exp(-std::fabs(output));
  // output < 0: NaN takes the other branch and stays NaN.
  const float probability = output < 0 ? small / (1 + small) : 1 / (1 + small);
  const float loss = (output < 0 ? 0 : output) - output * label + std::log1p(small);
  if (gradient != nullptr) *gradient = probability - label;
  const bool hit = allowed && loss == loss && (output > 0) == (label == 1);
  return {allowed ? loss : kNan, hit ? 1.0f : 0.0f};
}

SampleLoss SquaredError(float output, float label, float* gradient) {
  const float difference = output - label;
  if (gradient != nullptr) *gradient = 2 * difference;
  return {difference * difference, 0.0f};
}

SampleLoss OneSample(Loss loss, const float* row, uint64_t width, float label, float smoothing,
                     float* gradient) {
  switch (loss) {
    case Loss::kSoftmaxCrossEntropy:
      return Softmax(row, width, label, smoothing, gradient);
    case Loss::kSigmoidCrossEntropy:
      return Sigmoid(*row, label, gradient);
    case Loss::kSquaredError:
      return SquaredError(*row, label, gradient);
  }
  return {kNan, 0};
}

}  // namespace

void ComputeLoss(Loss loss, const LossArguments& a) {
  const uint64_t width = a.outputs.columns;
  for (uint64_t i = 0; i < a.outputs.rows; ++i) {
    float* gradient = a.gradient.rows == 0 ? nullptr : a.gradient.array.address + i * width;
    const SampleLoss sample = OneSample(loss, a.outputs.array.address + i * width, width,
                                        a.labels.address[i], a.label_smoothing, gradient);
    a.losses.address[i] = sample.loss;
    a.correct.address[i] = sample.correct;
  }
}

}  // namespace paceline::kernels::cpu
