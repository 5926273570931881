#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>

#include "kernels/counter_bits.h"
#include "kernels/cuda/elementwise.h"

namespace paceline::kernels::cuda {
namespace {

constexpr unsigned kThreads = 256;
constexpr unsigned kBlocksMax = 2048;  // 16 for each of some 128 multiprocessors; threads loop.
constexpr unsigned kTile = 32;         // A warp; also the side of a ColumnSums block.
constexpr unsigned kGridRowsMax = 65535;

unsigned BlocksFor(uint64_t elements) {
  const uint64_t wanted = (elements + kThreads - 1) / kThreads;
  return static_cast<unsigned>(std::min<uint64_t>(wanted, kBlocksMax));
}

__device__ uint64_t FirstElement() { return uint64_t{blockIdx.x} * blockDim.x + threadIdx.x; }
__device__ uint64_t ElementStride() { return uint64_t{gridDim.x} * blockDim.x; }

template <typename F>
__global__ void MapKernel(const float* x, float* y, uint64_t elements, F f) {
  for (uint64_t i = FirstElement(); i < elements; i += ElementStride()) y[i] = f(x[i]);
}

template <typename F>
__global__ void Map2Kernel(const float* a, const float* b, float* y, uint64_t elements, F f) {
  for (uint64_t i = FirstElement(); i < elements; i += ElementStride()) y[i] = f(a[i], b[i]);
}

template <typename F>
CudaCode Map(ConstArray x, Array y, F f, Stream stream) {
  MapKernel<<<BlocksFor(y.elements), kThreads, 0, stream>>>(x.address, y.address, y.elements, f);
  return cudaGetLastError();
}

template <typename F>
CudaCode Map2(ConstArray a, ConstArray b, Array y, F f, Stream stream) {
  Map2Kernel<<<BlocksFor(y.elements), kThreads, 0, stream>>>(a.address, b.address, y.address,
                                                             y.elements, f);
  return cudaGetLastError();
}

struct Relu {
  __device__ float operator()(float x) const { return x < 0 ? 0.0f : x; }
};
struct Tanh {
  __device__ float operator()(float x) const { return tanhf(x); }
};
struct Sigmoid {
  __device__ float operator()(float x) const {
    const float e = expf(-fabsf(x));
    return x < 0 ? e / (1 + e) : 1 / (1 + e);
  }
};

struct ReluBackward {
  __device__ float operator()(float y, float g) const { return y <= 0 ? 0.0f : g; }
};
struct TanhBackward {
  __device__ float operator()(float y, float g) const { return g * (1 - y * y); }
};
struct SigmoidBackward {
  __device__ float operator()(float y, float g) const { return g * (y * (1 - y)); }
};

__device__ float NormalShare(float x) { return 0.5f * (1 + erff(x * 0.70710678f)); }

struct GeluOf {
  __device__ float operator()(float x) const { return x * NormalShare(x); }
};
struct GeluBackwardOf {
  __device__ float operator()(float x, float g) const {
    const float density = 0.39894228f * expf(-0.5f * x * x);
    return g * (NormalShare(x) + x * density);
  }
};

struct AxpyOf {
  float alpha;
  __device__ float operator()(float x, float y) const { return y + alpha * x; }
};
struct ScaleOf {
  float alpha;
  __device__ float operator()(float x) const { return alpha * x; }
};
struct Sum {
  __device__ float operator()(float x, float y) const { return x + y; }
};
struct Constant {
  float value;
  __device__ float operator()(float) const { return value; }
};

__global__ void DropoutKernel(uint64_t key, uint64_t drop_below, float scale, const float* x,
                              float* y, uint64_t elements) {
  for (uint64_t i = FirstElement(); i < elements; i += ElementStride()) {
    y[i] = IsDropped(key, drop_below, i) ? 0.0f : x[i] * scale;
  }
}

// A block covers 32 columns of 8 rows.
__global__ void AddBiasRowsKernel(const float* bias, float* matrix, uint64_t rows,
                                  uint64_t columns) {
  const uint64_t column = FirstElement();
  if (column >= columns) return;
  const float b = bias[column];
  const uint64_t stride = uint64_t{gridDim.y} * blockDim.y;
  for (uint64_t row = uint64_t{blockIdx.y} * blockDim.y + threadIdx.y; row < rows; row += stride) {
    matrix[row * columns + column] += b;
  }
}

__global__ void ColumnSumsKernel(const float* matrix, float* sums, uint64_t rows,
                                 uint64_t columns) {
  __shared__ float partial[kTile][kTile];
  const uint64_t column = FirstElement();
  float sum = 0;
  if (column < columns) {
    for (uint64_t row = threadIdx.y; row < rows; row += kTile)
      sum += matrix[row * columns + column];
  }
  partial[threadIdx.y][threadIdx.x] = sum;
  __syncthreads();
  for (unsigned half = kTile / 2; half > 0; half /= 2) {
    if (threadIdx.y < half) {
      partial[threadIdx.y][threadIdx.x] += partial[threadIdx.y + half][threadIdx.x];
    }
    __syncthreads();
  }
  if (threadIdx.y == 0 && column < columns) sums[column] = partial[0][threadIdx.x];
}

unsigned TilesFor(uint64_t columns) { return static_cast<unsigned>((columns + kTile - 1) / kTile); }

}  // namespace

CudaCode AddBiasRows(ConstArray bias, Matrix rows, Stream stream) {
  constexpr unsigned kRows = 8;
  const uint64_t row_blocks = std::min<uint64_t>((rows.rows + kRows - 1) / kRows, kGridRowsMax);
  const dim3 grid(TilesFor(rows.columns), static_cast<unsigned>(row_blocks));
  AddBiasRowsKernel<<<grid, dim3(kTile, kRows), 0, stream>>>(bias.address, rows.array.address,
                                                             rows.rows, rows.columns);
  return cudaGetLastError();
}

CudaCode ColumnSums(ConstMatrix rows, Array sums, Stream stream) {
  ColumnSumsKernel<<<TilesFor(rows.columns), dim3(kTile, kTile), 0, stream>>>(
      rows.array.address, sums.address, rows.rows, rows.columns);
  return cudaGetLastError();
}

CudaCode Activate(Activation activation, ConstArray input, Array output, Stream stream) {
  switch (activation) {
    case Activation::kRelu:
      return Map(input, output, Relu(), stream);
    case Activation::kTanh:
      return Map(input, output, Tanh(), stream);
    case Activation::kSigmoid:
      return Map(input, output, Sigmoid(), stream);
  }
  return cudaErrorInvalidValue;
}

CudaCode ActivateBackward(Activation activation, ConstArray output, ConstArray output_gradient,
                          Array input_gradient, Stream stream) {
  switch (activation) {
    case Activation::kRelu:
      return Map2(output, output_gradient, input_gradient, ReluBackward(), stream);
    case Activation::kTanh:
      return Map2(output, output_gradient, input_gradient, TanhBackward(), stream);
    case Activation::kSigmoid:
      return Map2(output, output_gradient, input_gradient, SigmoidBackward(), stream);
  }
  return cudaErrorInvalidValue;
}

CudaCode Gelu(ConstArray input, Array output, Stream stream) {
  return Map(input, output, GeluOf(), stream);
}

CudaCode GeluBackward(ConstArray input, ConstArray output_gradient, Array input_gradient,
                      Stream stream) {
  return Map2(input, output_gradient, input_gradient, GeluBackwardOf(), stream);
}

CudaCode Dropout(RandomDraw draw, ConstArray input, Array output, Stream stream) {
  DropoutKernel<<<BlocksFor(input.elements), kThreads, 0, stream>>>(
      draw.key, DropBelow(draw.rate), 1 / (1 - draw.rate), input.address, output.address,
      input.elements);
  return cudaGetLastError();
}

CudaCode Axpy(float alpha, ConstArray x, Array y, Stream stream) {
  return Map2(x, y, y, AxpyOf{alpha}, stream);
}

CudaCode Scale(float alpha, Array x, Stream stream) { return Map(x, x, ScaleOf{alpha}, stream); }

CudaCode Add(ConstArray x, ConstArray y, Array sum, Stream stream) {
  return Map2(x, y, sum, Sum(), stream);
}

CudaCode Fill(float value, Array x, Stream stream) { return Map(x, x, Constant{value}, stream); }

}  // namespace paceline::kernels::cuda
