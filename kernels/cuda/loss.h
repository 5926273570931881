// The CUDA backend's losses; kernels/cpu/loss.h specifies.
//
// Shapes   As LossArguments says; kernels/kernels.cc has checked them.
// Errors   The launch's own; a fault while running is told by WaitForStream.
// Threads  It joins the stream and returns before it is done.
#ifndef PACELINE_KERNELS_CUDA_LOSS_H_
#define PACELINE_KERNELS_CUDA_LOSS_H_

#include "kernels/cuda/runtime.h"
#include "kernels/kernels.h"

namespace paceline::kernels::cuda {

CudaCode ComputeLoss(Loss loss, const LossArguments& arguments, Stream stream);

}  // namespace paceline::kernels::cuda

#endif  // PACELINE_KERNELS_CUDA_LOSS_H_
