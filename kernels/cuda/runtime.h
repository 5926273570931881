// The CUDA runtime calls that the backend makes, behind plain types, so that only the .cu files
// need CUDA's headers.
//
// Errors   A CudaCode other than 0; it has been taken off the runtime, so that it is told once. A
//          fault inside a kernel is sticky: every call after it fails too.
// Threads  As the CUDA runtime: any thread; a stream's work is done in the order of the calls.
#ifndef PACELINE_KERNELS_CUDA_RUNTIME_H_
#define PACELINE_KERNELS_CUDA_RUNTIME_H_

#include <cstdint>
#include <string>

struct CUstream_st;

namespace paceline::kernels::cuda {

// A cudaError_t; 0 is success.
using CudaCode = int;

// What cudaStream_t is.
using Stream = CUstream_st*;

// "cudaErrorInvalidValue: invalid argument".
std::string CudaCodeText(CudaCode code);
bool IsOutOfMemory(CudaCode code);

struct DeviceFacts {
  std::string name;
  int major = 0;  // Compute capability.
  int minor = 0;
  uint64_t memory_bytes = 0;
  int multiprocessors = 0;
};

// Makes device 0 (the first that CUDA_VISIBLE_DEVICES shows) the calling thread's, as it is every
// thread's by default.
CudaCode OpenDevice(DeviceFacts* facts);

CudaCode CreateStream(Stream* stream);
void DestroyStream(Stream stream);
// Waits for the stream and tells the first fault in it.
CudaCode WaitForStream(Stream stream);

CudaCode Allocate(uint64_t bytes, void** address);
void Free(void* address);

// `source` is ordinary (pageable) memory, free for reuse on return.
CudaCode CopyToDevice(const void* source, void* target, uint64_t bytes, Stream stream);
// From one place in the device's memory to another.
CudaCode CopyOnDevice(const void* source, void* target, uint64_t bytes, Stream stream);
// Waits until the bytes are there.
CudaCode CopyToHost(const void* source, void* target, uint64_t bytes, Stream stream);

}  // namespace paceline::kernels::cuda

#endif  // PACELINE_KERNELS_CUDA_RUNTIME_H_
