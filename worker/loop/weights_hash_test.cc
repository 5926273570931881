#include "worker/loop/weights_hash.h"

#include <catch2/catch.hpp>

#include "common/base/sha256.h"

namespace paceline {
namespace {

ParameterInfo Named(const std::string& name, uint64_t offset, uint64_t elements) {
  ParameterInfo parameter;
  parameter.name = name;
  parameter.shape = {elements};
  parameter.elements = elements;
  parameter.offset = offset;
  return parameter;
}

TEST_CASE("weights are hashed in the order of their names, as little-endian float32") {
  // 1.0f is 00 00 80 3f, -2.0f is 00 00 00 c0, 0.5f is 00 00 00 3f. "a" comes first though it lies
  // behind "b".
  const std::vector<ParameterInfo> parameters = {Named("b", 0, 2), Named("a", 2, 1)};
  const std::vector<float> flat = {1.0f, -2.0f, 0.5f};
  const std::string bytes("\x00\x00\x00\x3f\x00\x00\x80\x3f\x00\x00\x00\xc0", 12);

  CHECK(WeightsSha256(parameters, flat) == Sha256Hex(bytes));
}

TEST_CASE("upper case sorts before lower case") {
  const std::vector<ParameterInfo> parameters = {Named("a", 0, 1), Named("Z", 1, 1)};
  const std::vector<ParameterInfo> sorted = {Named("Z", 0, 1), Named("a", 1, 1)};

  CHECK(WeightsSha256(parameters, std::vector<float>{1, 2}) ==
        WeightsSha256(sorted, std::vector<float>{2, 1}));
}

}  // namespace
}  // namespace paceline
