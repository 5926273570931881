#include "common/net/frame_parser.h"

#include <catch2/catch.hpp>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "common/base/random.h"
#include "proto/parameter.pb.h"

namespace paceline {
namespace {

using Views = std::vector<absl::string_view>;

v1::PushFrame Frame() {
  v1::PushFrame frame;
  v1::PushHeader* header = frame.mutable_header();
  header->mutable_key()->set_job("mnist-1");
  header->mutable_key()->set_partition(3);
  header->mutable_worker()->set_id("w2");
  header->mutable_worker()->set_incarnation(77);
  header->set_clock(300);
  v1::Piece* piece = header->add_pieces();
  piece->set_shards(2);
  piece->set_weight(64);
  header->set_dtype(v1::FLOAT32);
  const float gradients[] = {1.5f, -2.0f, 0.25f};
  frame.set_gradients(gradients, sizeof(gradients));
  return frame;
}

std::string Joined(const FramePayload& payload) {
  std::string bytes;
  for (absl::string_view slice : payload.slices) bytes.append(slice.data(), slice.size());
  return bytes;
}

// The message of the refusal of `bytes`, or "accepted".
std::string Refusal(const std::string& bytes) {
  v1::PushHeader header;
  const absl::Status status = ParseFrame(Views{bytes}, &header).status();
  if (status.ok()) return "accepted";
  CHECK(absl::IsInvalidArgument(status));
  return std::string(status.message());
}

TEST_CASE("what protobuf writes is read here, however it is cut into slices") {
  const v1::PushFrame frame = Frame();
  const std::string bytes = frame.SerializeAsString();

  for (size_t first = 0; first <= bytes.size(); ++first) {
    for (size_t second : {first, first + 1, first + 7}) {
      const absl::string_view all = bytes;
      const size_t cut = std::min(second, bytes.size());
      v1::PushHeader header;
      const auto payload = ParseFrame(
          Views{"", all.substr(0, first), all.substr(first, cut - first), "", all.substr(cut)},
          &header);

      REQUIRE(payload.ok());
      CHECK(header.SerializeAsString() == frame.header().SerializeAsString());
      CHECK(payload->bytes == 12);
      CHECK(Joined(*payload) == frame.gradients());
    }
  }
}

TEST_CASE("what is written here, protobuf reads, and it is the very bytes protobuf writes") {
  const v1::PushFrame frame = Frame();

  const std::string bytes = FrameHead(frame.header(), 12) + frame.gradients();

  CHECK(bytes == frame.SerializeAsString());
  v1::PushFrame read;
  REQUIRE(read.ParseFromString(bytes));
  CHECK(read.SerializeAsString() == frame.SerializeAsString());
}

TEST_CASE("a frame without a payload is written as protobuf writes it") {
  v1::ParametersFrame frame;
  frame.mutable_header();
  CHECK(FrameHead(frame.header(), 0) == frame.SerializeAsString());

  v1::ParametersHeader header;
  const std::string bytes = frame.SerializeAsString();
  const auto payload = ParseFrame(Views{bytes}, &header);
  REQUIRE(payload.ok());
  CHECK(payload->bytes == 0);
  CHECK(payload->slices.empty());
}

TEST_CASE("large payloads have their length in as many bytes as protobuf gives them") {
  for (size_t count : {127u, 128u, 16383u, 16384u, 2097152u}) {
    v1::ParametersFrame frame;
    frame.mutable_header()->set_version(9);
    frame.set_parameters(std::string(count, 'x'));
    CHECK(FrameHead(frame.header(), count) + frame.parameters() == frame.SerializeAsString());
  }
}

TEST_CASE("unknown fields of every wire type are skipped") {
  const std::string known = Frame().SerializeAsString();
  const std::string unknown = std::string("\x10\x96\x01") +  // 2: varint 150
                              std::string(
                                  "\x19"
                                  "12345678") +  // 3: fixed64
                              std::string(
                                  "\x22\x03"
                                  "abc") +  // 4: three bytes
                              std::string(
                                  "\x2d"
                                  "1234") +  // 5: fixed32
                              std::string(
                                  "\xfa\xff\xff\xff\x0f\x01"
                                  "z");  // 536870911: one byte

  CHECK(Refusal(unknown + known) == "accepted");
  CHECK(Refusal(known + unknown) == "accepted");
}

TEST_CASE("a frame that is cut off anywhere is refused, or ends before its payload") {
  const std::string bytes = Frame().SerializeAsString();
  const size_t header_end = 2 + Frame().header().ByteSizeLong();
  for (size_t length = 0; length < bytes.size(); ++length) {
    CHECK((Refusal(bytes.substr(0, length)) == "accepted") == (length == header_end));
  }
}

TEST_CASE("each refusal says what was seen") {
  const std::string head = FrameHead(Frame().header(), 0);
  CHECK(Refusal("") == "frame: no header (field 1) in 0 bytes; wanted one");
  CHECK(Refusal("\x08\x01") == "frame: field 1 has wire type 0; wanted 2 (length-delimited)");
  CHECK(Refusal(head + "\x7d"
                       "1234") == "frame: field 15 has wire type 5; wanted 2 (length-delimited)");
  CHECK(Refusal(head +
                "\x7a\x01"
                "a" +
                "\x7a\x01"
                "b") == "frame: two payloads (field 15); wanted one");
  CHECK(Refusal(head + head) == "frame: two headers (field 1); wanted one");
  CHECK(Refusal("\x13") == "frame: unknown field 2 has wire type 3; wanted 0, 1, 2 or 5");
  CHECK(Refusal("\x7a\x05"
                "abc") == "frame: payload at byte 2 wants 5 bytes; 3 are left");
  CHECK(Refusal(std::string("\x02\x00", 2)) == "frame: field number 0 at byte 0 is out of range");
  CHECK(Refusal("\xff\xff\xff\xff\xff\xff") == "frame: the tag at byte 0 is longer than 5 bytes");
  CHECK(Refusal("\x0a\xff\xff\xff\x7f") == "frame: header of 268435455 bytes; at most 4194304");
  CHECK(Refusal("\x0a\x01\xff") == "frame: header of 1 bytes is not a paceline.v1.PushHeader");
}

TEST_CASE("floats are copied bit for bit out of slices cut anywhere") {
  const std::string bytes = Frame().SerializeAsString();
  v1::PushHeader header;
  Views views;
  for (size_t i = 0; i < bytes.size(); ++i) views.push_back(absl::string_view(bytes).substr(i, 1));
  const auto payload = ParseFrame(views, &header);
  REQUIRE(payload.ok());

  std::vector<float> floats(3);
  REQUIRE(CopyFloats(*payload, absl::MakeSpan(floats)).ok());

  CHECK(floats == std::vector<float>{1.5f, -2.0f, 0.25f});
}

TEST_CASE("a payload of another length is refused and nothing is written") {
  FramePayload payload;
  payload.slices = {"abcd", "efg"};
  payload.bytes = 7;
  std::vector<float> floats = {1, 2};

  const absl::Status status = CopyFloats(payload, absl::MakeSpan(floats));

  CHECK(status.message() == "frame: payload of 7 bytes; wanted 8 (2 float32)");
  CHECK(absl::IsInvalidArgument(status));
  CHECK(floats == std::vector<float>{1, 2});
}

TEST_CASE("damaged frames are refused or read as protobuf reads them") {
  const std::string good = Frame().SerializeAsString();
  const RandomStream random(7, "damaged frames");
  for (uint64_t i = 0; i < 20000; ++i) {
    std::string bytes = good;
    bytes[random.Bits(2 * i) % bytes.size()] = static_cast<char>(random.Bits(2 * i + 1));
    v1::PushHeader header;
    const auto payload = ParseFrame(Views{bytes}, &header);
    if (!payload.ok()) continue;
    v1::PushFrame frame;
    REQUIRE(frame.ParseFromString(bytes));
    CHECK(frame.gradients() == Joined(*payload));
    CHECK(frame.header().SerializeAsString() == header.SerializeAsString());
  }
}

}  // namespace
}  // namespace paceline
