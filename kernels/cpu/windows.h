// The CPU backend's operations on windows over samples: unfolding for convolutions, and pools.
//
// Shapes   As kernels/kernels.h says of the operation of the same name, which has checked them.
// Threads  Pure functions of their arguments.
// Source   Chellapilla et al., "High Performance Convolutional Neural Networks for Document
//          Processing", 2006 (unfolding).
//
// Sums run over the windows in their order, and in a window row by row.
#ifndef PACELINE_KERNELS_CPU_WINDOWS_H_
#define PACELINE_KERNELS_CPU_WINDOWS_H_

#include "kernels/kernels.h"

namespace paceline::kernels::cpu {

void Unfold(const Windows& windows, ConstMatrix input, Matrix unfolded);
void Fold(const Windows& windows, ConstMatrix unfolded, Matrix samples);

void MaxPool(const Windows& windows, ConstMatrix input, Matrix output, Array winners);
void MaxPoolBackward(const Windows& windows, ConstArray winners, ConstMatrix output_gradient,
                     Matrix input_gradient);

void AveragePool(const Windows& windows, ConstMatrix input, Matrix output);
void AveragePoolBackward(const Windows& windows, ConstMatrix output_gradient,
                         Matrix input_gradient);

}  // namespace paceline::kernels::cpu

#endif  // PACELINE_KERNELS_CPU_WINDOWS_H_
