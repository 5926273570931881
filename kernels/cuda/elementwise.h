// The CUDA backend's kernels over elements, rows and columns; kernels/cpu/elementwise.h specifies.
//
// Shapes   As kernels/kernels.h says of the operation of the same name, which has checked them.
// Errors   The launch's own; a fault while running is told by WaitForStream.
// Threads  They join the stream and return before they are done.
#ifndef PACELINE_KERNELS_CUDA_ELEMENTWISE_H_
#define PACELINE_KERNELS_CUDA_ELEMENTWISE_H_

#include "kernels/cuda/runtime.h"
#include "kernels/kernels.h"

namespace paceline::kernels::cuda {

CudaCode AddBiasRows(ConstArray bias, Matrix rows, Stream stream);

// 32 threads add every 32nd row of a column, then each other's sums as a binary tree: one fixed
// order, without atomics.
CudaCode ColumnSums(ConstMatrix rows, Array sums, Stream stream);

CudaCode Activate(Activation activation, ConstArray input, Array output, Stream stream);

CudaCode ActivateBackward(Activation activation, ConstArray output, ConstArray output_gradient,
                          Array input_gradient, Stream stream);

CudaCode Gelu(ConstArray input, Array output, Stream stream);
CudaCode GeluBackward(ConstArray input, ConstArray output_gradient, Array input_gradient,
                      Stream stream);

CudaCode Dropout(RandomDraw draw, ConstArray input, Array output, Stream stream);

CudaCode Axpy(float alpha, ConstArray x, Array y, Stream stream);
CudaCode Scale(float alpha, Array x, Stream stream);
CudaCode Add(ConstArray x, ConstArray y, Array sum, Stream stream);
CudaCode Fill(float value, Array x, Stream stream);

}  // namespace paceline::kernels::cuda

#endif  // PACELINE_KERNELS_CUDA_ELEMENTWISE_H_
