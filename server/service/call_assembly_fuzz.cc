// Any frames on one stream: each is refused, ends the stream, or adds up to what was sent; nothing
// is written beyond a request's room, and no claim on memory is left behind.
//
// Input: frames, each a byte that says how long it is, then as many bytes.
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "common/base/check.h"
#include "common/net/frame_parser.h"
#include "proto/stream.pb.h"
#include "server/service/call_assembly.h"

namespace {

constexpr uint64_t kBytesMax = 300;

class Request final : public paceline::StreamedRequest {
 public:
  explicit Request(uint64_t bytes) : bytes_(new char[bytes]), count_(bytes) {}
  absl::Span<char> room() override { return {bytes_.get(), count_}; }
  void Start(std::shared_ptr<paceline::StreamedReply> /*reply*/) override {}
  void Cancel() override {}

 private:
  const std::unique_ptr<char[]> bytes_;  // Exactly as long, so that a write beyond it is seen.
  const uint64_t count_;
};

absl::StatusOr<std::shared_ptr<paceline::StreamedRequest>> Admit(
    const paceline::v1::CallHeader& call) {
  if (call.payload_bytes() <= kBytesMax) return std::make_shared<Request>(call.payload_bytes());
  return absl::InvalidArgumentError("too long");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* input, size_t count) {
  absl::string_view rest(reinterpret_cast<const char*>(input), count);
  paceline::OpenBytes open(1000);
  {
    paceline::CallAssembly assembly(Admit, &open);
    std::map<uint64_t, std::string> sent;
    absl::Time now = absl::UnixEpoch();
    while (!rest.empty()) {
      const size_t bytes = static_cast<uint8_t>(rest[0]);
      const absl::string_view frame = rest.substr(1, bytes);
      rest.remove_prefix(1 + frame.size());
      paceline::v1::CallHeader header;
      const auto chunk = paceline::ParseFrame({frame}, &header);
      if (!chunk.ok()) break;
      for (absl::string_view slice : chunk->slices) {
        sent[header.call()].append(slice.data(), slice.size());
      }
      now += absl::Milliseconds(1);
      const auto event = assembly.Take(now, header, *chunk);
      if (!event.ok()) {
        PACELINE_CHECK(absl::IsInvalidArgument(event.status()));
        break;
      }
      if (event->whole != nullptr) {
        const absl::Span<char> room = event->whole->room();
        PACELINE_CHECK(sent[event->call] == std::string(room.data(), room.size()));
      }
      PACELINE_CHECK(open.used() <= kBytesMax);
      assembly.DropOverdue(now);
    }
  }
  PACELINE_CHECK(open.used() == 0);
  return 0;
}
