// The CUDA backend: cuBLAS for products, our own kernels for the rest, on device 0 and one stream.
// Buffers live on the device, so activations never leave it.
//
// Errors   Create: Unavailable, saying which, without a driver, a device of compute capability 8.0
//          or more, or cuBLAS 13. Allocate: ResourceExhausted. Everything else: Internal, with
//          CUDA's own words.
// Threads  As kernels/kernels.h.
#ifndef PACELINE_KERNELS_CUDA_CUDA_KERNELS_H_
#define PACELINE_KERNELS_CUDA_CUDA_KERNELS_H_

#include <memory>

#include "absl/status/statusor.h"
#include "kernels/kernels.h"

namespace paceline::kernels::cuda {

absl::StatusOr<std::unique_ptr<Kernels>> CreateCudaKernels();

}  // namespace paceline::kernels::cuda

#endif  // PACELINE_KERNELS_CUDA_CUDA_KERNELS_H_
