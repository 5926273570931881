#include <cuda_runtime_api.h>

#include "kernels/cuda/runtime.h"

namespace paceline::kernels::cuda {
namespace {

// The runtime keeps the last error for whoever asks next; this takes it away.
CudaCode Taken(cudaError_t error) {
  if (error != cudaSuccess) (void)cudaGetLastError();
  return error;
}

}  // namespace

std::string CudaCodeText(CudaCode code) {
  const auto error = static_cast<cudaError_t>(code);
  return std::string(cudaGetErrorName(error)) + ": " + cudaGetErrorString(error);
}

bool IsOutOfMemory(CudaCode code) { return code == cudaErrorMemoryAllocation; }

CudaCode OpenDevice(DeviceFacts* facts) {
  int count = 0;
  if (const auto error = cudaGetDeviceCount(&count); error != cudaSuccess) return Taken(error);
  if (count < 1) return cudaErrorNoDevice;
  if (const auto error = cudaSetDevice(0); error != cudaSuccess) return Taken(error);
  cudaDeviceProp properties;
  if (const auto error = cudaGetDeviceProperties(&properties, 0); error != cudaSuccess) {
    return Taken(error);
  }
  *facts = {properties.name, properties.major, properties.minor, properties.totalGlobalMem,
            properties.multiProcessorCount};
  return cudaSuccess;
}

CudaCode CreateStream(Stream* stream) {
  return Taken(cudaStreamCreateWithFlags(stream, cudaStreamNonBlocking));
}

void DestroyStream(Stream stream) { (void)Taken(cudaStreamDestroy(stream)); }

CudaCode WaitForStream(Stream stream) { return Taken(cudaStreamSynchronize(stream)); }

CudaCode Allocate(uint64_t bytes, void** address) { return Taken(cudaMalloc(address, bytes)); }

void Free(void* address) { (void)Taken(cudaFree(address)); }

CudaCode CopyToDevice(const void* source, void* target, uint64_t bytes, Stream stream) {
  return Taken(cudaMemcpyAsync(target, source, bytes, cudaMemcpyHostToDevice, stream));
}

CudaCode CopyOnDevice(const void* source, void* target, uint64_t bytes, Stream stream) {
  return Taken(cudaMemcpyAsync(target, source, bytes, cudaMemcpyDeviceToDevice, stream));
}

CudaCode CopyToHost(const void* source, void* target, uint64_t bytes, Stream stream) {
  const CudaCode code =
      Taken(cudaMemcpyAsync(target, source, bytes, cudaMemcpyDeviceToHost, stream));
  const CudaCode waited = WaitForStream(stream);
  return code != cudaSuccess ? code : waited;
}

}  // namespace paceline::kernels::cuda
