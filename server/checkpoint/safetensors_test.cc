#include "server/checkpoint/safetensors.h"

#include <catch2/catch.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace paceline {
namespace {

// A file of this header and so many bytes of floats.
std::string File(const std::string& header, size_t bytes) {
  std::string file;
  for (int i = 0; i < 8; ++i) file.push_back(static_cast<char>(uint64_t{header.size()} >> (8 * i)));
  return file + header + std::string(bytes, '\1');
}

TEST_CASE("a worked example, byte for byte") {
  const auto header = SafetensorsHeader({{"w", {2, 2}}, {"b", {}}}, {{"job", "j-1"}});

  // 8 bytes of length, the header, padded to a multiple of eight.
  const std::string json = R"({"__metadata__":{"job":"j-1"},)"
                           R"("w":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},)"
                           R"("b":{"dtype":"F32","shape":[],"data_offsets":[16,20]}})";
  REQUIRE(json.size() == 140);  // So 144 with 4 spaces: 0x90.
  REQUIRE(header.ok());
  CHECK(*header == std::string("\x90\0\0\0\0\0\0\0", 8) + json + "    ");
}

TEST_CASE("what was written is read back") {
  const std::string file =
      *SafetensorsHeader({{"w", {2, 3}}, {"b", {}}, {"none", {0, 7}}}, {{"a", "\"\n"}}) +
      "0123456789abcdefghijklmnABCD";

  const auto read = ReadSafetensors(file);

  REQUIRE(read.ok());
  CHECK(read->metadata == SafetensorsMetadata{{"a", "\"\n"}});
  REQUIRE(read->tensors.size() == 3);
  CHECK(read->tensors.at("w").shape == std::vector<uint64_t>{2, 3});
  CHECK(read->tensors.at("w").bytes == "0123456789abcdefghijklmn");
  CHECK(read->tensors.at("b").bytes == "ABCD");
  CHECK(read->tensors.at("none").bytes.empty());
}

TEST_CASE("tensors may be in any order in the header") {
  const auto read = ReadSafetensors(File(R"({"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]},)"
                                         R"("a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})",
                                         8));
  CHECK(read.ok());
}

TEST_CASE("names that no file can have are refused") {
  CHECK(absl::IsInvalidArgument(SafetensorsHeader({{"__metadata__", {1}}}, {}).status()));
  CHECK(absl::IsInvalidArgument(SafetensorsHeader({{"", {1}}}, {}).status()));
  CHECK(absl::IsInvalidArgument(SafetensorsHeader({{"a", {1}}, {"a", {1}}}, {}).status()));
  CHECK(absl::IsInvalidArgument(
      SafetensorsHeader({{"a", {uint64_t{1} << 40, uint64_t{1} << 40}}}, {}).status()));
}

TEST_CASE("whatever the format does not allow is refused with what was seen") {
  const auto one = [](const std::string& dtype, const std::string& shape,
                      const std::string& offsets) {
    return absl::StrCat(R"({"a":{"dtype":)", dtype, R"(,"shape":)", shape, R"(,"data_offsets":)",
                        offsets, "}}");
  };
  const std::string f32 = "\"F32\"";
  REQUIRE(ReadSafetensors(File(one(f32, "[2]", "[0,8]"), 8)).ok());

  CHECK(absl::IsUnimplemented(ReadSafetensors(File(one("\"BF16\"", "[2]", "[0,4]"), 4)).status()));
  const std::vector<std::string> wrong = {
      "",
      std::string(8, '\xff'),
      std::string("\1\0\0\0\0\0\0\0", 8),
      File("", 0),
      File(" {}", 0),
      File("[]", 0),
      File("{", 0),
      File(std::string(100000, '['), 0),
      File("{}", 4),
      File(R"({"a":{},"a":{}})", 0),
      File(R"({"a":5})", 0),
      File(R"({"__metadata__":5})", 0),
      File(R"({"__metadata__":{"a":5}})", 0),
      File(one("5", "[2]", "[0,8]"), 8),
      File(one(f32, "[-2]", "[0,8]"), 8),
      File(one(f32, "[2.0]", "[0,8]"), 8),
      File(one(f32, "2", "[0,8]"), 8),
      File(one(f32, "[2]", "[8]"), 8),
      File(one(f32, "[2]", "[8,0]"), 8),
      File(one(f32, "[2]", "[0,4]"), 4),
      File(one(f32, "[2]", "[4,12]"), 12),                    // A hole.
      File(one(f32, "[2]", "[0,8]"), 12),                     // A tail.
      File(one(f32, "[2]", "[0,8]"), 4),                      // Cut off.
      File(one(f32, "[4611686018427387904,4]", "[0,0]"), 0),  // 2^66 bytes.
      File(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":1}})", 4),
      File(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
           R"("b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
           8),  // An overlap.
  };
  for (size_t i = 0; i < wrong.size(); ++i) {
    const absl::Status status = ReadSafetensors(wrong[i]).status();
    INFO("file " << i << ": " << status);
    CHECK(absl::IsDataLoss(status));
    CHECK(absl::StartsWith(status.message(), "safetensors: "));
  }
}

}  // namespace
}  // namespace paceline
