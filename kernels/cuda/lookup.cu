#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>

#include "kernels/cuda/lookup.h"

namespace paceline::kernels::cuda {
namespace {

constexpr unsigned kThreads = 256;
constexpr unsigned kColumnsPerBlock = 32;
constexpr unsigned kBlocksMax = 4096;

__device__ bool IsRow(float id, uint64_t rows) {
  return id >= 0 && id < static_cast<float>(rows) && id == floorf(id);
}

__global__ void GatherKernel(const float* table, uint64_t table_rows, const float* ids, float* rows,
                             uint64_t elements, uint64_t columns) {
  const uint64_t stride = uint64_t{gridDim.x} * blockDim.x;
  for (uint64_t i = uint64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < elements; i += stride) {
    const float id = ids[i / columns];
    rows[i] =
        IsRow(id, table_rows) ? table[static_cast<uint64_t>(id) * columns + i % columns] : nanf("");
  }
}

__global__ void SumKernel(const float* rows, const float* ids, uint64_t count, float* sums,
                          uint64_t sum_rows, uint64_t columns) {
  const uint64_t column = uint64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (column >= columns) return;
  for (uint64_t i = 0; i < count; ++i) {
    const float id = ids[i];
    if (!IsRow(id, sum_rows)) continue;
    sums[static_cast<uint64_t>(id) * columns + column] += rows[i * columns + column];
  }
}

}  // namespace

CudaCode GatherRows(ConstMatrix table, ConstArray ids, Matrix rows, Stream stream) {
  const uint64_t elements = rows.rows * rows.columns;
  const uint64_t wanted = (elements + kThreads - 1) / kThreads;
  const auto blocks = static_cast<unsigned>(std::min<uint64_t>(wanted, kBlocksMax));
  GatherKernel<<<blocks, kThreads, 0, stream>>>(table.array.address, table.rows, ids.address,
                                                rows.array.address, elements, rows.columns);
  return cudaGetLastError();
}

CudaCode SumRowsById(ConstMatrix rows, ConstArray ids, Matrix sums, Stream stream) {
  const uint64_t bytes = sums.rows * sums.columns * sizeof(float);
  if (const cudaError_t error = cudaMemsetAsync(sums.array.address, 0, bytes, stream);
      error != cudaSuccess) {
    return error;
  }
  const auto blocks =
      static_cast<unsigned>((sums.columns + kColumnsPerBlock - 1) / kColumnsPerBlock);
  SumKernel<<<blocks, kColumnsPerBlock, 0, stream>>>(rows.array.address, ids.address, ids.elements,
                                                     sums.array.address, sums.rows, sums.columns);
  return cudaGetLastError();
}

}  // namespace paceline::kernels::cuda
