#include "common/net/frame.h"

#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <vector>

#include "common/net/grpc_status.h"
#include "proto/parameter.pb.h"

namespace paceline {
namespace {

using Floats = std::vector<float>;

std::string Bytes(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  REQUIRE(buffer.Dump(&slices).ok());
  std::string bytes;
  for (const grpc::Slice& slice : slices) {
    bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return bytes;
}

grpc::ByteBuffer Buffer(const std::string& bytes) {
  const grpc::Slice slice(bytes);
  return grpc::ByteBuffer(&slice, 1);
}

TEST_CASE("a frame is the bytes protobuf would write, and references its floats until it is gone") {
  auto floats = std::make_shared<Floats>(Floats(1000, 2.5f));
  const std::weak_ptr<Floats> alive = floats;
  v1::ParametersFrame expected;
  expected.mutable_header()->set_version(4);
  expected.set_parameters(floats->data(), floats->size() * sizeof(float));
  const absl::Span<const float> all = absl::MakeConstSpan(*floats);
  const absl::Span<const float> runs[] = {all.subspan(0, 300), {}, all.subspan(300)};
  {
    const grpc::ByteBuffer buffer = EncodeFrame(expected.header(), runs, floats);
    floats.reset();
    CHECK_FALSE(alive.expired());
    std::vector<grpc::Slice> slices;
    REQUIRE(buffer.Dump(&slices).ok());
    CHECK(slices[1].begin() == reinterpret_cast<const uint8_t*>(all.data()));
    CHECK(Bytes(buffer) == expected.SerializeAsString());
  }
  CHECK(alive.expired());
}

TEST_CASE("a frame survives its buffer, and moving") {
  v1::PushHeader header;
  header.set_clock(12);
  const auto floats = std::make_shared<Floats>(Floats{1, 2, 3});
  const absl::Span<const float> run = *floats;
  v1::PushHeader decoded;

  auto frame = DecodedFrame::Decode(EncodeFrame(header, {&run, 1}, floats), &decoded);
  REQUIRE(frame.ok());
  const DecodedFrame moved = *std::move(frame);

  Floats copied(3);
  CHECK(moved.payload_bytes() == 12);
  REQUIRE(moved.CopyPayload(absl::MakeSpan(copied)).ok());
  CHECK(copied == *floats);
  CHECK(decoded.clock() == 12);
}

TEST_CASE("a buffer that is no frame is refused") {
  v1::PushHeader header;
  CHECK(absl::IsInvalidArgument(DecodedFrame::Decode(Buffer("junk"), &header).status()));
  CHECK(absl::IsInvalidArgument(DecodedFrame::Decode(grpc::ByteBuffer(), &header).status()));
}

TEST_CASE("an ordinary message is read out of a buffer") {
  v1::PullRequest request;
  request.set_clock(3);
  v1::PullRequest read;

  CHECK(ParseMessage(Buffer(request.SerializeAsString()), &read).ok());
  CHECK(read.clock() == 3);
  CHECK(ParseMessage(grpc::ByteBuffer(), &read).ok());
  CHECK(absl::IsInvalidArgument(ParseMessage(Buffer("\xff"), &read)));
}

TEST_CASE("every status goes to gRPC and back unchanged") {
  for (int code = 0; code <= 16; ++code) {
    const absl::Status status(static_cast<absl::StatusCode>(code), code == 0 ? "" : "why");
    CHECK(FromGrpcStatus(ToGrpcStatus(status)) == status);
  }
}

TEST_CASE("a message too long for the trailers is cut") {
  const absl::Status status = absl::InternalError(std::string(100000, 'x'));
  CHECK(ToGrpcStatus(status).error_message().size() == 2048);
}

}  // namespace
}  // namespace paceline
