#include "kernels/backend.h"

#include <catch2/catch.hpp>
#include <cstdio>
#include <filesystem>
#include <regex>
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
    const bool is_built = reason.find("was built without it") == std::string::npos;
    const std::string description = (*automatic)->description();
    CHECK((description.find(reason) != std::string::npos) == is_built);
    CHECK((description.find("cuda") != std::string::npos) == is_built);
    CHECK(description.rfind("cpu: ", 0) == 0);
  }
}

TEST_CASE("the cpu signature names the library's loops that are in use, and libm") {
  auto kernels = CreateKernels(BackendChoice::kCpu);
  REQUIRE(kernels.ok());

  const std::string signature = (*kernels)->signature();

  const std::regex form("cpu openblas-[0-9.]+-[A-Za-z0-9_]+ libm-[0-9.]+-(fma|sse2)");
  CHECK(std::regex_match(signature, form));
  CHECK(signature == (*CreateKernels(BackendChoice::kCpu))->signature());
}

// Not run by itself: the next case runs it in a process of its own.
TEST_CASE("print the cpu signature", "[.print]") {
  auto kernels = CreateKernels(BackendChoice::kCpu);
  REQUIRE(kernels.ok());
  std::printf("<%s>\n", (*kernels)->signature().c_str());
}

// OpenBLAS reads the variable when it is loaded.
std::string SignatureUnder(const std::string& core) {
  const std::string self = std::filesystem::read_symlink("/proc/self/exe");
  const std::string command = "OPENBLAS_CORETYPE=" + core + " '" + self + "' '[.print]'";
  FILE* pipe = popen(command.c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::string output;
  for (int c = std::fgetc(pipe); c != EOF; c = std::fgetc(pipe)) output += static_cast<char>(c);
  REQUIRE(pclose(pipe) == 0);
  const size_t begin = output.find('<');
  return output.substr(begin, output.find('>') - begin + 1);
}

TEST_CASE("the signature follows the loops that OPENBLAS_CORETYPE chooses") {
  CHECK(SignatureUnder("Nehalem").find("-Nehalem ") != std::string::npos);
  CHECK(SignatureUnder("Prescott").find("-Prescott ") != std::string::npos);
}

}  // namespace
}  // namespace paceline::kernels
