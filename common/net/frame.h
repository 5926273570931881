// Data-plane frames over gRPC's buffers: numbers go to and from the network where they lie.
//
// Shapes   Payloads are float32, little-endian.
// Errors   As common/net/frame_parser.h.
// Threads  A DecodedFrame is as const as a caller makes it. EncodeFrame's buffer drops its owner on
//          whatever thread sends the last of it.
#ifndef PACELINE_COMMON_NET_FRAME_H_
#define PACELINE_COMMON_NET_FRAME_H_

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/slice.h>

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "common/net/frame_parser.h"

namespace paceline {

// A frame whose payload is `payload`, run after run. The runs are referenced, not copied: they stay
// valid and unchanged for as long as `owner` is held, and the buffer holds it until it is sent.
grpc::ByteBuffer EncodeFrame(const google::protobuf::MessageLite& header,
                             absl::Span<const absl::Span<const float>> payload,
                             std::shared_ptr<const void> owner);

// An ordinary message as bytes.
grpc::ByteBuffer EncodeMessage(const google::protobuf::MessageLite& message);

// A received frame, and the memory its payload lies in.
class DecodedFrame {
 public:
  DecodedFrame(DecodedFrame&&) = default;
  DecodedFrame& operator=(DecodedFrame&&) = default;

  // Takes `buffer` apart into `header` and a payload. The bytes of the payload are not copied.
  static absl::StatusOr<DecodedFrame> Decode(const grpc::ByteBuffer& buffer,
                                             google::protobuf::MessageLite* header);

  size_t payload_bytes() const { return payload_.bytes; }

  // InvalidArgument, and nothing written, unless the payload is exactly floats.size() numbers.
  absl::Status CopyPayload(absl::Span<float> floats) const { return CopyFloats(payload_, floats); }

  // The same of a payload that is any bytes, exactly payload_bytes() of them.
  void CopyBytes(absl::Span<char> bytes) const { CopyPayloadBytes(payload_, bytes); }

  const FramePayload& payload() const { return payload_; }

 private:
  DecodedFrame() = default;

  std::vector<grpc::Slice> slices_;  // What payload_ points into; a small slice's bytes lie in it.
  FramePayload payload_;
};

// An ordinary message out of a buffer, or of its bytes; InvalidArgument when it is not one.
absl::Status ParseMessage(const grpc::ByteBuffer& buffer, google::protobuf::MessageLite* message);
absl::Status ParseMessage(const std::string& bytes, google::protobuf::MessageLite* message);

}  // namespace paceline

#endif  // PACELINE_COMMON_NET_FRAME_H_
