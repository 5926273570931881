#include "kernels/backend.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "kernels/cpu/cpu_kernels.h"
#ifdef PACELINE_CUDA
#include "kernels/cuda/cuda_kernels.h"
#endif

namespace paceline::kernels {
namespace {

#ifdef PACELINE_CUDA
constexpr bool kHasCuda = true;
#else
constexpr bool kHasCuda = false;
#endif

absl::StatusOr<std::unique_ptr<Kernels>> CreateCuda() {
#ifdef PACELINE_CUDA
  return cuda::CreateCudaKernels();
#else
  return absl::UnavailableError("cuda: this program was built without it (--config=cuda)");
#endif
}

}  // namespace

absl::StatusOr<BackendChoice> ParseBackendChoice(absl::string_view name) {
  if (name == "cpu") return BackendChoice::kCpu;
  if (name == "cuda") return BackendChoice::kCuda;
  if (name == "auto") return BackendChoice::kAuto;
  return absl::InvalidArgumentError(
      absl::StrCat("backend is \"", name, "\", wanted cpu, cuda or auto"));
}

absl::StatusOr<std::unique_ptr<Kernels>> CreateKernels(BackendChoice choice) {
  if (choice == BackendChoice::kCpu) return cpu::CreateCpuKernels();
  // Nobody who runs a build without CUDA needs to hear of it unasked.
  if (choice == BackendChoice::kAuto && !kHasCuda) return cpu::CreateCpuKernels();
  absl::StatusOr<std::unique_ptr<Kernels>> cuda = CreateCuda();
  if (cuda.ok() || choice == BackendChoice::kCuda) return cuda;
  return cpu::CreateCpuKernels(cuda.status().message());
}

}  // namespace paceline::kernels
