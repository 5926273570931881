#include "kernels/backend.h"

#include <catch2/catch.hpp>
#include <string>

namespace paceline::kernels {
namespace {

TEST_CASE("a backend is chosen by name and other names are refused") {
  CHECK(*ParseBackendChoice("cpu") == BackendChoice::kCpu);
  CHECK(*ParseBackendChoice("cuda") == BackendChoice::kCuda);
  CHECK(*ParseBackendChoice("auto") == BackendChoice::kAuto);

  const absl::Status status = ParseBackendChoice("gpu").status();

  CHECK(absl::IsInvalidArgument(status));
  CHECK(status.message() == "backend is \"gpu\", wanted cpu, cuda or auto");
}

TEST_CASE("the cpu backend is always there") {
  auto kernels = CreateKernels(BackendChoice::kCpu);

  REQUIRE(kernels.ok());
  CHECK((*kernels)->description().rfind("cpu: OpenBLAS", 0) == 0);
}

TEST_CASE("auto takes cuda where it works and otherwise says why it is the cpu") {
  const auto cuda = CreateKernels(BackendChoice::kCuda);

  auto automatic = CreateKernels(BackendChoice::kAuto);

  REQUIRE(automatic.ok());
  if (cuda.ok()) {
    CHECK((*automatic)->description() == (*cuda)->description());
  } else {
    CHECK(absl::IsUnavailable(cuda.status()));
    const std::string reason(cuda.status().message());
    CHECK((*automatic)->description().find(reason) != std::string::npos);
    CHECK((*automatic)->description().rfind("cpu: ", 0) == 0);
  }
}

}  // namespace
}  // namespace paceline::kernels
