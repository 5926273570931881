// The bytes of a data-plane frame, between protobuf (which sees the header only) and the network.
//
// A frame is an ordinary protobuf message with the fields `Header header = 1` and `bytes payload =
// 15`. Any protobuf code reads what is written here. What is read here may come in any number of
// slices, its fields in any order; fields this release does not know are skipped.
//
// Shapes   The payload is float32, little-endian, wherever a caller sees it as floats.
// Errors   InvalidArgument, with what was seen and where: bytes cut off, a wrong wire type, no
// header
//          or one above kFrameHeaderBytesMax, two headers or two payloads (protobuf would merge the
//          ones and keep the last of the others; nobody means that), a header that protobuf does
//          not understand. Any bytes are safe.
// Threads  Pure functions.
// Source   protobuf.dev, "Encoding"; proto/parameter.proto (PushFrame, ParametersFrame).
#ifndef PACELINE_COMMON_NET_FRAME_PARSER_H_
#define PACELINE_COMMON_NET_FRAME_PARSER_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace google::protobuf {
class MessageLite;
}  // namespace google::protobuf

namespace paceline {

// A header holds at most one number per 4096 elements beside a few names, or what a partition knows
// of each of the fleet's workers (proto/replica.proto, InstallHeader): room for 10,000 of them.
inline constexpr size_t kFrameHeaderBytesMax = size_t{4} << 20;

// Views of a frame's payload, in order; they point into the slices it was parsed from.
struct FramePayload {
  std::vector<absl::string_view> slices;
  size_t bytes = 0;  // In all of them.
};

// Reads the frame that `slices` make up: `header` receives field 1, the result names field 15
// (nothing when it is absent, as protobuf leaves out an empty one). On an error `header` may hold
// anything.
absl::StatusOr<FramePayload> ParseFrame(absl::Span<const absl::string_view> slices,
                                        google::protobuf::MessageLite* header);

// The bytes of a frame before its payload of `payload_bytes`, which must follow them.
std::string FrameHead(const google::protobuf::MessageLite& header, size_t payload_bytes);

// Copies a payload, which is of exactly bytes.size() bytes.
void CopyPayloadBytes(const FramePayload& payload, absl::Span<char> bytes);

// Copies a payload of exactly floats.size() numbers; InvalidArgument, and nothing written, when it
// has another length.
absl::Status CopyFloats(const FramePayload& payload, absl::Span<float> floats);

}  // namespace paceline

#endif  // PACELINE_COMMON_NET_FRAME_PARSER_H_
