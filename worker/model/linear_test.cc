#include "worker/model/linear.h"

#include <catch2/catch.hpp>
#include <memory>
#include <vector>

#include "kernels/backend.h"

namespace paceline {
namespace {

using kernels::Array;
using kernels::Matrix;
using Values = std::vector<float>;

// Two samples of two features through a layer of three units, in numbers exact in float32.
struct Fixture {
  Array Put(const Values& values) {
    buffers.push_back(*kernels->Allocate(values.size()));
    REQUIRE(kernels->Upload(values, buffers.back()->array()).ok());
    return buffers.back()->array();
  }

  Values Get(Array array) {
    Values values(array.elements);
    REQUIRE(kernels->Download(array, absl::MakeSpan(values)).ok());
    return values;
  }

  std::unique_ptr<kernels::Kernels> kernels = *kernels::CreateKernels(kernels::BackendChoice::kCpu);
  std::vector<std::unique_ptr<kernels::Buffer>> buffers;
  Linear layer{1, 2, 3};
  Array parameters = Put({1, 2, 3, 4, 5, 6, /* bias */ 10, 20, 30});
  Matrix input{Put({1, 0, 2, -1}), 2, 2};
  Matrix output{Put(Values(6)), 2, 3};
};

TEST_CASE("a linear layer multiplies by its weight and adds its bias") {
  Fixture f;
  REQUIRE(f.layer.parameter_elements() == 9);

  REQUIRE(f.layer.Forward(*f.kernels, {f.input, f.parameters, f.output, {}, {}, {}}).ok());

  // [1 0] W = [1 2 3]; [2 -1] W = [2-4, 4-5, 6-6].
  CHECK(f.Get(f.output.array) == Values{11, 22, 33, 8, 19, 30});
}

TEST_CASE("a linear layer's gradients are x' dy, the column sums of dy, and dy W'") {
  Fixture f;
  const Matrix output_gradient{f.Put({1, 0, 0, 0, 2, -1}), 2, 3};
  const Array parameter_gradient = f.Put(Values(9, 99));
  const Matrix input_gradient{f.Put(Values(4, 99)), 2, 2};

  REQUIRE(f.layer
              .Backward(*f.kernels, {f.input,
                                     f.output,
                                     f.parameters,
                                     output_gradient,
                                     parameter_gradient,
                                     input_gradient,
                                     {},
                                     {},
                                     {}})
              .ok());

  // x' = [1 2; 0 -1]; x' dy = [1 4 -2; 0 -2 1].
  CHECK(f.Get(parameter_gradient) == Values{1, 4, -2, 0, -2, 1, 1, 2, -1});
  // dy W' = [1*1, 1*4; 2*2 - 3, 2*5 - 6].
  CHECK(f.Get(input_gradient.array) == Values{1, 4, 1, 4});
}

TEST_CASE("a linear layer refuses a batch of another width and writes nothing") {
  Fixture f;
  const Matrix narrow{f.input.array.Slice(0, 2), 2, 1};
  const Matrix output{f.output.array, 2, 3};

  CHECK(absl::IsInvalidArgument(
      f.layer.Forward(*f.kernels, {narrow, f.parameters, output, {}, {}, {}})));

  CHECK(f.Get(f.output.array) == Values(6));
}

}  // namespace
}  // namespace paceline
