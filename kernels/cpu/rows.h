// The CPU backend's operations on whole rows: softmax and layer norm, forward and backward.
//
// Shapes   As kernels/kernels.h says of the operation of the same name, which has checked them.
// Threads  Pure functions of their arguments.
// Source   Ba et al., "Layer Normalization", 2016, arXiv:1607.06450.
//
// Sums over a row run in 16 lanes, element i in lane i mod 16, and then over the lanes: an order
// that is the same whatever registers the compiler has.
#ifndef PACELINE_KERNELS_CPU_ROWS_H_
#define PACELINE_KERNELS_CPU_ROWS_H_

#include <cstdint>

#include "kernels/kernels.h"

namespace paceline::kernels::cpu {

// The softmax of `count` >= 1 numbers, each of them first times `scale`; `output` may be `input`.
void SoftmaxRow(const float* input, uint64_t count, float scale, float* output);

// What the gradient by a softmax's output is by its input; `input_gradient` may be either operand.
void SoftmaxRowBackward(const float* output, const float* output_gradient, uint64_t count,
                        float* input_gradient);

void Softmax(ConstMatrix input, Matrix output);
void SoftmaxBackward(ConstMatrix output, ConstMatrix output_gradient, Matrix input_gradient);

void LayerNorm(float epsilon, ConstMatrix input, ConstArray scale, ConstArray bias, Matrix output,
               Matrix statistics);
// The gradients of scale and bias add row after row.
void LayerNormBackward(const LayerNormBackwardArguments& arguments);

}  // namespace paceline::kernels::cpu

#endif  // PACELINE_KERNELS_CPU_ROWS_H_
