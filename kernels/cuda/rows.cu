#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>

#include "kernels/cuda/rows.h"

namespace paceline::kernels::cuda {
namespace {

constexpr unsigned kWarp = 32;
constexpr unsigned kRowsPerBlock = 8;  // One warp a row.
constexpr unsigned kThreads = kWarp * kRowsPerBlock;
constexpr unsigned kBlocksMax = 2048;
constexpr unsigned kAllLanes = 0xffffffff;

// Every lane gets the same.
__device__ float WarpSum(float value) {
  for (unsigned step = kWarp / 2; step > 0; step /= 2) {
    value += __shfl_xor_sync(kAllLanes, value, step);
  }
  return value;
}

__device__ float WarpMax(float value) {
  for (unsigned step = kWarp / 2; step > 0; step /= 2) {
    value = fmaxf(value, __shfl_xor_sync(kAllLanes, value, step));
  }
  return value;
}

// Rows of the grid's warps: f(row, lane) for each.
template <typename F>
__device__ void ForEachRow(uint64_t rows, F f) {
  const uint64_t stride = uint64_t{gridDim.x} * kRowsPerBlock;
  for (uint64_t row = uint64_t{blockIdx.x} * kRowsPerBlock + threadIdx.x / kWarp; row < rows;
       row += stride) {
    f(row, threadIdx.x % kWarp);
  }
}

__device__ uint64_t SeenColumns(RowMask mask, uint64_t row, uint64_t columns) {
  return mask.period == 0 ? columns : row % mask.period + 1;
}

__global__ void SoftmaxKernel(RowMask mask, const float* input, float* output, uint64_t rows,
                              uint64_t columns) {
  ForEachRow(rows, [&](uint64_t row, unsigned lane) {
    const float* x = input + row * columns;
    float* y = output + row * columns;
    const uint64_t seen = SeenColumns(mask, row, columns);
    float largest = -INFINITY;
    for (uint64_t j = lane; j < seen; j += kWarp) largest = fmaxf(largest, x[j] * mask.scale);
    largest = WarpMax(largest);
    float sum = 0;
    for (uint64_t j = lane; j < seen; j += kWarp) {
      const float e = expf(x[j] * mask.scale - largest);
      y[j] = e;
      sum += e;
    }
    const float inverse = 1 / WarpSum(sum);
    for (uint64_t j = lane; j < columns; j += kWarp) y[j] = j < seen ? y[j] * inverse : 0.0f;
  });
}

__global__ void SoftmaxBackwardKernel(RowMask mask, const float* output,
                                      const float* output_gradient, float* input_gradient,
                                      uint64_t rows, uint64_t columns) {
  ForEachRow(rows, [&](uint64_t row, unsigned lane) {
    const float* y = output + row * columns;
    const float* g = output_gradient + row * columns;
    float* out = input_gradient + row * columns;
    const uint64_t seen = SeenColumns(mask, row, columns);
    float sum = 0;
    for (uint64_t j = lane; j < seen; j += kWarp) sum += y[j] * g[j];
    sum = WarpSum(sum);
    for (uint64_t j = lane; j < columns; j += kWarp) out[j] = j < seen ? y[j] * (g[j] - sum) : 0.0f;
  });
}

__global__ void LayerNormKernel(float epsilon, const float* input, const float* scale,
                                const float* bias, float* output, float* statistics, uint64_t rows,
                                uint64_t columns) {
  ForEachRow(rows, [&](uint64_t row, unsigned lane) {
    const float* x = input + row * columns;
    float* y = output + row * columns;
    const auto n = static_cast<float>(columns);
    float sum = 0;
    for (uint64_t j = lane; j < columns; j += kWarp) sum += x[j];
    const float mean = WarpSum(sum) / n;
    float squares = 0;
    for (uint64_t j = lane; j < columns; j += kWarp) squares += (x[j] - mean) * (x[j] - mean);
    const float inverse = 1 / sqrtf(WarpSum(squares) / n + epsilon);
    for (uint64_t j = lane; j < columns; j += kWarp) {
      y[j] = (x[j] - mean) * inverse * scale[j] + bias[j];
    }
    if (lane != 0) return;
    statistics[2 * row] = mean;
    statistics[2 * row + 1] = inverse;
  });
}

// LayerNormBackwardArguments as a kernel takes them.
struct NormRows {
  const float* input;
  const float* scale;
  const float* statistics;
  const float* gradient;
  float* input_gradient;
  float* scale_gradient;
  float* bias_gradient;
  uint64_t rows;
  uint64_t columns;
};

__global__ void LayerNormInputKernel(NormRows a) {
  ForEachRow(a.rows, [&](uint64_t row, unsigned lane) {
    const float* x = a.input + row * a.columns;
    const float* g = a.gradient + row * a.columns;
    const float mean = a.statistics[2 * row], inverse = a.statistics[2 * row + 1];
    const auto n = static_cast<float>(a.columns);
    float sum = 0, product = 0;
    for (uint64_t j = lane; j < a.columns; j += kWarp) {
      const float h = g[j] * a.scale[j];
      sum += h;
      product += h * ((x[j] - mean) * inverse);
    }
    const float mean_h = WarpSum(sum) / n, mean_hz = WarpSum(product) / n;
    float* out = a.input_gradient + row * a.columns;
    for (uint64_t j = lane; j < a.columns; j += kWarp) {
      out[j] = inverse * (g[j] * a.scale[j] - mean_h - (x[j] - mean) * inverse * mean_hz);
    }
  });
}

// A block sums 32 columns: thread y every 32nd row from y on, then the threads as a binary tree.
__global__ void LayerNormParametersKernel(NormRows a) {
  __shared__ float scales[kWarp][kWarp];
  __shared__ float biases[kWarp][kWarp];
  const uint64_t column = uint64_t{blockIdx.x} * kWarp + threadIdx.x;
  float scale = 0, bias = 0;
  if (column < a.columns) {
    for (uint64_t row = threadIdx.y; row < a.rows; row += kWarp) {
      const float g = a.gradient[row * a.columns + column];
      const float x = a.input[row * a.columns + column];
      scale += g * ((x - a.statistics[2 * row]) * a.statistics[2 * row + 1]);
      bias += g;
    }
  }
  scales[threadIdx.y][threadIdx.x] = scale;
  biases[threadIdx.y][threadIdx.x] = bias;
  __syncthreads();
  for (unsigned half = kWarp / 2; half > 0; half /= 2) {
    if (threadIdx.y < half) {
      scales[threadIdx.y][threadIdx.x] += scales[threadIdx.y + half][threadIdx.x];
      biases[threadIdx.y][threadIdx.x] += biases[threadIdx.y + half][threadIdx.x];
    }
    __syncthreads();
  }
  if (threadIdx.y != 0 || column >= a.columns) return;
  a.scale_gradient[column] = scales[0][threadIdx.x];
  a.bias_gradient[column] = biases[0][threadIdx.x];
}

unsigned BlocksFor(uint64_t rows) {
  const uint64_t wanted = (rows + kRowsPerBlock - 1) / kRowsPerBlock;
  return static_cast<unsigned>(std::min<uint64_t>(wanted, kBlocksMax));
}

}  // namespace

CudaCode Softmax(RowMask mask, ConstMatrix input, Matrix output, Stream stream) {
  SoftmaxKernel<<<BlocksFor(input.rows), kThreads, 0, stream>>>(
      mask, input.array.address, output.array.address, input.rows, input.columns);
  return cudaGetLastError();
}

CudaCode SoftmaxBackward(RowMask mask, ConstMatrix output, ConstMatrix output_gradient,
                         Matrix input_gradient, Stream stream) {
  SoftmaxBackwardKernel<<<BlocksFor(output.rows), kThreads, 0, stream>>>(
      mask, output.array.address, output_gradient.array.address, input_gradient.array.address,
      output.rows, output.columns);
  return cudaGetLastError();
}

CudaCode LayerNorm(float epsilon, ConstMatrix input, ConstArray scale, ConstArray bias,
                   Matrix output, Matrix statistics, Stream stream) {
  LayerNormKernel<<<BlocksFor(input.rows), kThreads, 0, stream>>>(
      epsilon, input.array.address, scale.address, bias.address, output.array.address,
      statistics.array.address, input.rows, input.columns);
  return cudaGetLastError();
}

CudaCode LayerNormBackward(const LayerNormBackwardArguments& a, Stream stream) {
  const NormRows rows = {a.input.array.address,
                         a.scale.address,
                         a.statistics.array.address,
                         a.output_gradient.array.address,
                         a.input_gradient.array.address,
                         a.scale_gradient.address,
                         a.bias_gradient.address,
                         a.input.rows,
                         a.input.columns};
  const auto blocks = static_cast<unsigned>((rows.columns + kWarp - 1) / kWarp);
  LayerNormParametersKernel<<<blocks, dim3(kWarp, kWarp), 0, stream>>>(rows);
  if (const cudaError_t error = cudaGetLastError(); error != cudaSuccess) return error;
  if (a.input_gradient.rows == 0) return cudaSuccess;
  LayerNormInputKernel<<<BlocksFor(rows.rows), kThreads, 0, stream>>>(rows);
  return cudaGetLastError();
}

}  // namespace paceline::kernels::cuda
