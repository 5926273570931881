#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>

#include "kernels/cuda/loss.h"

namespace paceline::kernels::cuda {
namespace {

constexpr unsigned kWarp = 32;
constexpr unsigned kRowsPerBlock = 8;  // One warp a row.
constexpr unsigned kThreads = kWarp * kRowsPerBlock;
constexpr unsigned kBlocksMax = 2048;
constexpr unsigned kAllLanes = 0xffffffff;
constexpr uint64_t kNoColumn = ~uint64_t{0};

// LossArguments as a kernel takes them.
struct Rows {
  const float* outputs;
  const float* labels;
  float* losses;
  float* correct;
  float* gradient;  // Null: not wanted. May be `outputs`.
  uint64_t rows;
  uint64_t columns;
  float smoothing;
};

struct Largest {
  float value;
  uint64_t column;
};

// The larger of the two, the earlier column when they are equal.
__device__ Largest Larger(Largest a, Largest b) {
  if (a.column == kNoColumn) return b;
  if (b.column == kNoColumn) return a;
  return b.value > a.value || (b.value == a.value && b.column < a.column) ? b : a;
}

// Over the warp; lanes in a fixed butterfly, so every lane gets the same.
__device__ Largest FirstLargest(const float* row, uint64_t columns, unsigned lane) {
  Largest best = {0, kNoColumn};
  for (uint64_t j = lane; j < columns; j += kWarp) best = Larger(best, {row[j], j});
  for (unsigned step = kWarp / 2; step > 0; step /= 2) {
    const Largest other = {__shfl_xor_sync(kAllLanes, best.value, step),
                           __shfl_xor_sync(kAllLanes, best.column, step)};
    best = Larger(best, other);
  }
  return best;
}

// In double, since a wide row adds very many small terms.
__device__ double SumOfExponentials(const float* row, uint64_t columns, float largest,
                                    unsigned lane) {
  double sum = 0;
  for (uint64_t j = lane; j < columns; j += kWarp) sum += expf(row[j] - largest);
  for (unsigned step = kWarp / 2; step > 0; step /= 2) {
    sum += __shfl_xor_sync(kAllLanes, sum, step);
  }
  return sum;
}

// As SumOfExponentials, of the differences from the largest.
__device__ double SumOfDifferences(const float* row, uint64_t columns, float largest,
                                   unsigned lane) {
  double sum = 0;
  for (uint64_t j = lane; j < columns; j += kWarp) sum += row[j] - largest;
  for (unsigned step = kWarp / 2; step > 0; step /= 2) {
    sum += __shfl_xor_sync(kAllLanes, sum, step);
  }
  return sum;
}

__device__ void SoftmaxRow(const Rows& a, uint64_t i, unsigned lane) {
  const float* row = a.outputs + i * a.columns;
  const float label = a.labels[i];
  const bool allowed =
      label >= 0 && label < static_cast<float>(a.columns) && label == floorf(label);
  const uint64_t target = allowed ? static_cast<uint64_t>(label) : 0;
  const float target_output = row[target];
  const Largest largest = FirstLargest(row, a.columns, lane);
  const double sum = SumOfExponentials(row, a.columns, largest.value, lane);
  const double differences =
      a.smoothing > 0 ? SumOfDifferences(row, a.columns, largest.value, lane) : 0;

  if (a.gradient != nullptr) {
    // The gradient may be the outputs: every lane has read the label's before one writes it.
    __syncwarp();
    float* gradient = a.gradient + i * a.columns;
    const auto scale = static_cast<float>(1 / sum);
    const float spread = a.smoothing / static_cast<float>(a.columns);
    for (uint64_t j = lane; j < a.columns; j += kWarp) {
      const float probability = expf(row[j] - largest.value) * scale;
      const float wanted = (j == target ? 1 - a.smoothing : 0.0f) + spread;
      gradient[j] = probability - wanted;
    }
  }
  if (lane != 0) return;
  float loss = static_cast<float>(log(sum)) - (target_output - largest.value);
  if (a.smoothing > 0) {
    const double mean = log(sum) - differences / static_cast<double>(a.columns);
    loss = static_cast<float>((1.0 - a.smoothing) * loss + a.smoothing * mean);
  }
  a.losses[i] = allowed ? loss : nanf("");
  a.correct[i] = allowed && largest.column == target && loss == loss ? 1.0f : 0.0f;
}

__global__ void SoftmaxKernel(Rows a) {
  const unsigned lane = threadIdx.x % kWarp;
  const uint64_t stride = uint64_t{gridDim.x} * kRowsPerBlock;
  for (uint64_t i = uint64_t{blockIdx.x} * kRowsPerBlock + threadIdx.x / kWarp; i < a.rows;
       i += stride) {
    SoftmaxRow(a, i, lane);
  }
}

__global__ void SigmoidKernel(Rows a) {
  const uint64_t stride = uint64_t{gridDim.x} * blockDim.x;
  for (uint64_t i = uint64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < a.rows; i += stride) {
    const float output = a.outputs[i];
    const float label = a.labels[i];
    const bool allowed = label == 0 || label == 1;
    const float small = expf(-fabsf(output));
    const float probability = output < 0 ? small / (1 + small) : 1 / (1 + small);
    const float loss = (output < 0 ? 0 : output) - output * label + log1pf(small);
    if (a.gradient != nullptr) a.gradient[i] = probability - label;
    a.losses[i] = allowed ? loss : nanf("");
    a.correct[i] = allowed && loss == loss && (output > 0) == (label == 1) ? 1.0f : 0.0f;
  }
}

__global__ void SquaredErrorKernel(Rows a) {
  const uint64_t stride = uint64_t{gridDim.x} * blockDim.x;
  for (uint64_t i = uint64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < a.rows; i += stride) {
    const float difference = a.outputs[i] - a.labels[i];
    if (a.gradient != nullptr) a.gradient[i] = 2 * difference;
    a.losses[i] = difference * difference;
    a.correct[i] = 0;
  }
}

unsigned BlocksFor(uint64_t rows, unsigned rows_per_block) {
  const uint64_t wanted = (rows + rows_per_block - 1) / rows_per_block;
  return static_cast<unsigned>(std::min<uint64_t>(wanted, kBlocksMax));
}

}  // namespace

CudaCode ComputeLoss(Loss loss, const LossArguments& a, Stream stream) {
  const Rows rows = {a.outputs.array.address,
                     a.labels.address,
                     a.losses.address,
                     a.correct.address,
                     a.gradient.rows == 0 ? nullptr : a.gradient.array.address,
                     a.outputs.rows,
                     a.outputs.columns,
                     a.label_smoothing};
  switch (loss) {
    case Loss::kSoftmaxCrossEntropy:
      SoftmaxKernel<<<BlocksFor(rows.rows, kRowsPerBlock), kThreads, 0, stream>>>(rows);
      return cudaGetLastError();
    case Loss::kSigmoidCrossEntropy:
      SigmoidKernel<<<BlocksFor(rows.rows, kThreads), kThreads, 0, stream>>>(rows);
      return cudaGetLastError();
    case Loss::kSquaredError:
      SquaredErrorKernel<<<BlocksFor(rows.rows, kThreads), kThreads, 0, stream>>>(rows);
      return cudaGetLastError();
  }
  return cudaErrorInvalidValue;
}

}  // namespace paceline::kernels::cuda
