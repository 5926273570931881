// Any bytes, cut into slices anywhere: refused, or read as protobuf's generated code reads them.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "common/base/check.h"
#include "common/net/frame_parser.h"
#include "proto/parameter.pb.h"

namespace {

// The first byte says how long the slices are.
std::vector<absl::string_view> Cut(absl::string_view bytes, size_t slice_bytes) {
  std::vector<absl::string_view> slices;
  for (size_t at = 0; at < bytes.size(); at += slice_bytes) {
    slices.push_back(bytes.substr(at, slice_bytes));
  }
  return slices;
}

std::string Joined(const paceline::FramePayload& payload) {
  std::string bytes;
  for (absl::string_view slice : payload.slices) bytes.append(slice.data(), slice.size());
  return bytes;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* input, size_t count) {
  if (count == 0) return 0;
  const absl::string_view bytes(reinterpret_cast<const char*>(input) + 1, count - 1);
  paceline::v1::PushHeader header;
  const auto payload = paceline::ParseFrame(Cut(bytes, 1 + input[0]), &header);
  if (!payload.ok()) {
    PACELINE_CHECK(absl::IsInvalidArgument(payload.status()));
    return 0;
  }
  const std::string joined = Joined(*payload);
  PACELINE_CHECK(joined.size() == payload->bytes);

  paceline::v1::PushFrame frame;
  PACELINE_CHECK(frame.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())));
  PACELINE_CHECK(frame.gradients() == joined);
  PACELINE_CHECK(frame.header().SerializeAsString() == header.SerializeAsString());

  std::vector<float> floats(joined.size() / sizeof(float));
  PACELINE_CHECK(paceline::CopyFloats(*payload, absl::MakeSpan(floats)).ok() ==
                 (joined.size() % sizeof(float) == 0));

  const std::string written = paceline::FrameHead(header, joined.size()) + joined;
  PACELINE_CHECK(frame.ParseFromString(written));
  PACELINE_CHECK(frame.gradients() == joined);
  return 0;
}
