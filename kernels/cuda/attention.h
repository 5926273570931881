// The CUDA backend's self-attention: products by cuBLAS, a sample's heads at once.
//
// Shapes   As kernels/kernels.h says of the operation of the same name, which has checked them.
// Errors   A text; empty is success. A fault while running is told by WaitForStream.
// Threads  They join the stream and return before they are done.
// Source   kernels/cpu/attention.h specifies.
#ifndef PACELINE_KERNELS_CUDA_ATTENTION_H_
#define PACELINE_KERNELS_CUDA_ATTENTION_H_

#include <string>

#include "kernels/cuda/cublas.h"
#include "kernels/cuda/runtime.h"
#include "kernels/kernels.h"

namespace paceline::kernels::cuda {

// What both passes work with; `cublas` is on `stream`.
struct AttentionContext {
  const AttentionShape& shape;
  Cublas* cublas;
  Stream stream;
};

std::string Attention(const AttentionContext& context, ConstMatrix qkv, Array probabilities,
                      Matrix output);

std::string AttentionBackward(const AttentionContext& context, ConstMatrix qkv,
                              ConstArray probabilities, ConstMatrix output_gradient, Array scratch,
                              Matrix qkv_gradient);

}  // namespace paceline::kernels::cuda

#endif  // PACELINE_KERNELS_CUDA_ATTENTION_H_
