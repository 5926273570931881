// The CPU backend's losses: loss, hit and gradient of each sample, one sample after the other.
//
// Shapes   As LossArguments says; kernels/kernels.cc has checked them.
// Threads  Pure function of its arguments.
#ifndef PACELINE_KERNELS_CPU_LOSS_H_
#define PACELINE_KERNELS_CPU_LOSS_H_

#include "kernels/kernels.h"

namespace paceline::kernels::cpu {

void ComputeLoss(Loss loss, const LossArguments& arguments);

}  // namespace paceline::kernels::cpu

#endif  // PACELINE_KERNELS_CPU_LOSS_H_
