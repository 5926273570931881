// The CPU backend: OpenBLAS on one thread for products, plain loops for the rest. The specification
// that the other backends are tested against.
//
// Errors   Create: Internal when OpenBLAS will not run on one thread. Allocate: ResourceExhausted.
// Threads  As kernels/kernels.h; several objects may work on several threads at once. OpenBLAS is
//          set to one thread for the whole process, since how a product is cut over threads decides
//          the order of its additions. It picks its inner loops by the processor's model, so two
//          models may differ in the last bits; OPENBLAS_CORETYPE=Haswell, set alike on all
//          machines, makes them agree.
#ifndef PACELINE_KERNELS_CPU_CPU_KERNELS_H_
#define PACELINE_KERNELS_CPU_CPU_KERNELS_H_

#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "kernels/kernels.h"

namespace paceline::kernels::cpu {

// `note`, when not empty, is added to the description.
absl::StatusOr<std::unique_ptr<Kernels>> CreateCpuKernels(absl::string_view note = "");

}  // namespace paceline::kernels::cpu

#endif  // PACELINE_KERNELS_CPU_CPU_KERNELS_H_
