#include "common/net/frame.h"

#include <google/protobuf/message_lite.h>

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"

namespace paceline {
namespace {

using Owner = std::shared_ptr<const void>;

void DropOwner(void* owner) { delete static_cast<Owner*>(owner); }

// gRPC wants a void* to bytes that it will only read.
grpc::Slice Reference(absl::Span<const float> floats, const Owner& owner) {
  return grpc::Slice(const_cast<float*>(floats.data()), floats.size() * sizeof(float), DropOwner,
                     new Owner(owner));
}

// References to the buffer's slices; none when it holds nothing.
absl::Status Slices(const grpc::ByteBuffer& buffer, std::vector<grpc::Slice>* slices) {
  if (!buffer.Valid()) return absl::OkStatus();
  const grpc::Status dumped = buffer.Dump(slices);
  if (dumped.ok()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("frame: ", dumped.error_message()));
}

// The vector must not move its slices after this.
std::vector<absl::string_view> Views(const std::vector<grpc::Slice>& slices) {
  std::vector<absl::string_view> views;
  views.reserve(slices.size());
  for (const grpc::Slice& slice : slices) {
    views.emplace_back(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return views;
}

}  // namespace

grpc::ByteBuffer EncodeFrame(const google::protobuf::MessageLite& header,
                             absl::Span<const absl::Span<const float>> payload, Owner owner) {
  size_t payload_bytes = 0;
  for (absl::Span<const float> run : payload) payload_bytes += run.size() * sizeof(float);
  std::vector<grpc::Slice> slices;
  slices.reserve(payload.size() + 1);
  slices.emplace_back(FrameHead(header, payload_bytes));
  for (absl::Span<const float> run : payload) {
    if (!run.empty()) slices.push_back(Reference(run, owner));
  }
  return grpc::ByteBuffer(slices.data(), slices.size());
}

grpc::ByteBuffer EncodeMessage(const google::protobuf::MessageLite& message) {
  grpc::Slice slice(message.SerializeAsString());
  return grpc::ByteBuffer(&slice, 1);
}

absl::StatusOr<DecodedFrame> DecodedFrame::Decode(const grpc::ByteBuffer& buffer,
                                                  google::protobuf::MessageLite* header) {
  DecodedFrame frame;
  RETURN_IF_ERROR(Slices(buffer, &frame.slices_));
  // Moving the frame out moves the vector's storage, not the slices in it.
  ASSIGN_OR_RETURN(frame.payload_, ParseFrame(Views(frame.slices_), header));
  return frame;
}

absl::Status ParseMessage(const grpc::ByteBuffer& buffer, google::protobuf::MessageLite* message) {
  std::vector<grpc::Slice> slices;
  RETURN_IF_ERROR(Slices(buffer, &slices));
  std::string bytes;
  for (absl::string_view view : Views(slices)) bytes.append(view.data(), view.size());
  return ParseMessage(bytes, message);
}

absl::Status ParseMessage(const std::string& bytes, google::protobuf::MessageLite* message) {
  if (message->ParseFromString(bytes)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("request of ", bytes.size(), " bytes is not a ", message->GetTypeName()));
}

}  // namespace paceline
