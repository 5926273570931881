// The CUDA backend's rows of a table by id, and their gradient; kernels/cpu/lookup.h specifies.
//
// Shapes   As kernels/kernels.h says of the operation of the same name, which has checked them.
// Errors   The launch's own; a fault while running is told by WaitForStream.
// Threads  They join the stream and return before they are done.
#ifndef PACELINE_KERNELS_CUDA_LOOKUP_H_
#define PACELINE_KERNELS_CUDA_LOOKUP_H_

#include "kernels/cuda/runtime.h"
#include "kernels/kernels.h"

namespace paceline::kernels::cuda {

CudaCode GatherRows(ConstMatrix table, ConstArray ids, Matrix rows, Stream stream);

// One thread a column adds the rows in their order: without atomics, and only as parallel as the
// rows are wide.
CudaCode SumRowsById(ConstMatrix rows, ConstArray ids, Matrix sums, Stream stream);

}  // namespace paceline::kernels::cuda

#endif  // PACELINE_KERNELS_CUDA_LOOKUP_H_
