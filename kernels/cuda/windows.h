// The CUDA backend's operations on windows over samples; kernels/cpu/windows.h specifies.
//
// Shapes   As kernels/kernels.h says of the operation of the same name, which has checked them.
// Errors   The launch's own; a fault while running is told by WaitForStream.
// Threads  They join the stream and return before they are done.
//
// One thread writes one number, and adds what goes into it in the order of the windows: no atomics.
#ifndef PACELINE_KERNELS_CUDA_WINDOWS_H_
#define PACELINE_KERNELS_CUDA_WINDOWS_H_

#include "kernels/cuda/runtime.h"
#include "kernels/kernels.h"

namespace paceline::kernels::cuda {

CudaCode Unfold(const Windows& windows, ConstMatrix input, Matrix unfolded, Stream stream);
CudaCode Fold(const Windows& windows, ConstMatrix unfolded, Matrix samples, Stream stream);

CudaCode MaxPool(const Windows& windows, ConstMatrix input, Matrix output, Array winners,
                 Stream stream);
CudaCode MaxPoolBackward(const Windows& windows, ConstArray winners, ConstMatrix output_gradient,
                         Matrix input_gradient, Stream stream);

CudaCode AveragePool(const Windows& windows, ConstMatrix input, Matrix output, Stream stream);
CudaCode AveragePoolBackward(const Windows& windows, ConstMatrix output_gradient,
                             Matrix input_gradient, Stream stream);

}  // namespace paceline::kernels::cuda

#endif  // PACELINE_KERNELS_CUDA_WINDOWS_H_
