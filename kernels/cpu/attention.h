// The CPU backend's self-attention: products by OpenBLAS, head by head.
//
// Shapes   As kernels/kernels.h says of the operation of the same name, which has checked them.
// Threads  Pure functions of their arguments.
// Source   Vaswani et al., "Attention Is All You Need", 2017, arXiv:1706.03762, section 3.2.
#ifndef PACELINE_KERNELS_CPU_ATTENTION_H_
#define PACELINE_KERNELS_CPU_ATTENTION_H_

#include "kernels/kernels.h"

namespace paceline::kernels::cpu {

void Attention(const AttentionShape& shape, ConstMatrix qkv, Array probabilities, Matrix output);

void AttentionBackward(const AttentionShape& shape, ConstMatrix qkv, ConstArray probabilities,
                       ConstMatrix output_gradient, Array scratch, Matrix qkv_gradient);

}  // namespace paceline::kernels::cpu

#endif  // PACELINE_KERNELS_CPU_ATTENTION_H_
