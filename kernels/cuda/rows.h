// The CUDA backend's operations on whole rows; kernels/cpu/rows.h specifies.
//
// Shapes   As kernels/kernels.h says of the operation of the same name, which has checked them.
// Errors   The launch's own; a fault while running is told by WaitForStream.
// Threads  They join the stream and return before they are done.
//
// A warp sums a row: lane l every 32nd element from l on, then the lanes as a butterfly.
#ifndef PACELINE_KERNELS_CUDA_ROWS_H_
#define PACELINE_KERNELS_CUDA_ROWS_H_

#include "kernels/cuda/runtime.h"
#include "kernels/kernels.h"

namespace paceline::kernels::cuda {

// Softmax of rows times `scale`. A period other than 0 masks them causally: row r, counted within
// its period, sees its first r + 1 columns, and the others become 0.
struct RowMask {
  float scale = 1;
  uint64_t period = 0;
};

CudaCode Softmax(RowMask mask, ConstMatrix input, Matrix output, Stream stream);
// The mask's scale is the caller's to apply.
CudaCode SoftmaxBackward(RowMask mask, ConstMatrix output, ConstMatrix output_gradient,
                         Matrix input_gradient, Stream stream);

CudaCode LayerNorm(float epsilon, ConstMatrix input, ConstArray scale, ConstArray bias,
                   Matrix output, Matrix statistics, Stream stream);
CudaCode LayerNormBackward(const LayerNormBackwardArguments& arguments, Stream stream);

}  // namespace paceline::kernels::cuda

#endif  // PACELINE_KERNELS_CUDA_ROWS_H_
