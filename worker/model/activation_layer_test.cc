#include "worker/model/activation_layer.h"

#include <catch2/catch.hpp>
#include <memory>
#include <vector>

#include "kernels/backend.h"

namespace paceline {
namespace {

using kernels::Array;
using kernels::Matrix;
using Values = std::vector<float>;

TEST_CASE("an activation layer keeps the width, has no parameters, and scales by its slope") {
  const auto kernels = *kernels::CreateKernels(kernels::BackendChoice::kCpu);
  const auto memory = *kernels->Allocate(16);
  const Matrix input{memory->array().Slice(0, 4), 2, 2};
  const Matrix output{memory->array().Slice(4, 4), 2, 2};
  const Matrix output_gradient{memory->array().Slice(8, 4), 2, 2};
  const Matrix input_gradient{memory->array().Slice(12, 4), 2, 2};
  REQUIRE(kernels->Upload({-1, 2, 0, 3}, input.array).ok());
  REQUIRE(kernels->Upload({10, 20, 30, 40}, output_gradient.array).ok());
  const ActivationLayer layer(kernels::Activation::kRelu, 2);

  REQUIRE(layer.Forward(*kernels, {input, {}, output, {}, {}, {}}).ok());
  REQUIRE(
      layer.Backward(*kernels, {input, output, {}, output_gradient, {}, input_gradient, {}, {}, {}})
          .ok());

  CHECK(layer.inputs() == 2);
  CHECK(layer.outputs() == 2);
  CHECK(layer.parameter_elements() == 0);
  Values seen(16);
  REQUIRE(kernels->Download(memory->array(), absl::MakeSpan(seen)).ok());
  CHECK(Values(seen.begin() + 4, seen.begin() + 8) == Values{0, 2, 0, 3});
  CHECK(Values(seen.begin() + 12, seen.end()) == Values{0, 20, 0, 40});
}

}  // namespace
}  // namespace paceline
