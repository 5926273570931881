// The CPU backend's rows of a table by id, and their gradient.
//
// Shapes   As kernels/kernels.h says of the operation of the same name, which has checked them.
// Threads  Pure functions of their arguments.
#ifndef PACELINE_KERNELS_CPU_LOOKUP_H_
#define PACELINE_KERNELS_CPU_LOOKUP_H_

#include "kernels/kernels.h"

namespace paceline::kernels::cpu {

void GatherRows(ConstMatrix table, ConstArray ids, Matrix rows);
void SumRowsById(ConstMatrix rows, ConstArray ids, Matrix sums);

}  // namespace paceline::kernels::cpu

#endif  // PACELINE_KERNELS_CPU_LOOKUP_H_
