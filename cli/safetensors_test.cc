#include "cli/safetensors.h"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "common/base/file.h"

namespace paceline::cli {
namespace {

ParameterInfo Parameter(const std::string& name, std::vector<uint64_t> shape, uint64_t elements,
                        uint64_t offset) {
  ParameterInfo parameter;
  parameter.name = name;
  parameter.shape = std::move(shape);
  parameter.elements = elements;
  parameter.offset = offset;
  return parameter;
}

// w = [[1, 2], [3, 4]] and the number b = -0.5.
const std::vector<ParameterInfo>& Two() {
  static const auto* const two =
      new std::vector<ParameterInfo>{Parameter("w", {2, 2}, 4, 0), Parameter("b", {}, 1, 4)};
  return *two;
}
const std::vector<float> kFlat = {1, 2, 3, 4, -0.5f};

TEST_CASE("a worked example, byte for byte") {
  const auto file = SafetensorsBytes(Two(), kFlat, {{"job", "j-1"}});

  // 8 bytes of length, the header with its padding, the floats as IEEE 754 little-endian has them.
  const std::string header = R"({"__metadata__":{"job":"j-1"},)"
                             R"("w":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},)"
                             R"("b":{"dtype":"F32","shape":[],"data_offsets":[16,20]}})";
  REQUIRE(header.size() == 140);  // So 144 with 4 spaces: 0x90.
  const std::string floats(
      "\x00\x00\x80\x3f\x00\x00\x00\x40\x00\x00\x40\x40\x00\x00\x80\x40"
      "\x00\x00\x00\xbf",
      20);
  REQUIRE(file.ok());
  CHECK(*file == std::string("\x90\0\0\0\0\0\0\0", 8) + header + "    " + floats);
}

TEST_CASE("a reader that knows only the format finds every tensor, end to end") {
  const auto file = SafetensorsBytes(Two(), kFlat, {});
  REQUIRE(file.ok());

  uint64_t length = 0;
  std::memcpy(&length, file->data(), sizeof(length));
  const auto header = nlohmann::json::parse(file->substr(8, length));
  const std::string floats = file->substr(8 + length);
  CHECK(length % 8 == 0);
  CHECK(header["b"]["data_offsets"][1] == floats.size());
  float b = 0;
  std::memcpy(&b, floats.data() + header["b"]["data_offsets"][0].get<size_t>(), sizeof(b));
  CHECK(b == -0.5f);
}

TEST_CASE("metadata that is not UTF-8 still makes a header that parses") {
  const auto file = SafetensorsBytes(Two(), kFlat, {{"job", "\xff\""}});
  REQUIRE(file.ok());

  uint64_t length = 0;
  std::memcpy(&length, file->data(), sizeof(length));
  const auto header = nlohmann::json::parse(file->substr(8, length));
  CHECK(header["__metadata__"]["job"] == "\ufffd\"");
}

TEST_CASE(
    "too few elements, or a tensor with the header's own name, are refused; nothing is written") {
  const std::string path = std::string(std::getenv("TEST_TMPDIR")) + "/refused";

  const absl::Status few = WriteSafetensors(path, Two(), {kFlat.data(), 4}, {});
  const absl::Status named =
      WriteSafetensors(path, {Parameter("__metadata__", {5}, 5, 0)}, kFlat, {});

  CHECK(absl::IsInvalidArgument(few));
  CHECK(few.message() == "safetensors: 4 elements for parameters of 5");
  CHECK(absl::IsInvalidArgument(named));
  CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("the file holds the bytes; a folder that is not there is an error with the path") {
  const std::string path = std::string(std::getenv("TEST_TMPDIR")) + "/model.safetensors";

  REQUIRE(WriteSafetensors(path, Two(), kFlat, {}).ok());

  CHECK(*ReadFile(path, 1 << 20) == *SafetensorsBytes(Two(), kFlat, {}));
  const absl::Status status = WriteSafetensors("/no/such/model", Two(), kFlat, {});
  CHECK_FALSE(status.ok());
  CHECK(std::string(status.message()).find("/no/such") != std::string::npos);
}

}  // namespace
}  // namespace paceline::cli
