// Which backend computes: the one place that knows which backends this build has.
//
// Errors   InvalidArgument: not the name of a choice. Unavailable: the backend asked for is not in
//          this build, or this machine lacks its device, driver or library; the message says which.
// Threads  Pure functions.
#ifndef PACELINE_KERNELS_BACKEND_H_
#define PACELINE_KERNELS_BACKEND_H_

#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "kernels/kernels.h"

namespace paceline::kernels {

enum class BackendChoice {
  kCpu,
  kCuda,
  kAuto,  // cuda where it works, else cpu; description() then says why not cuda, in a build that
          // has it.
};

// "cpu", "cuda" or "auto".
absl::StatusOr<BackendChoice> ParseBackendChoice(absl::string_view name);

absl::StatusOr<std::unique_ptr<Kernels>> CreateKernels(BackendChoice choice);

}  // namespace paceline::kernels

#endif  // PACELINE_KERNELS_BACKEND_H_
