// Calls of the data plane to any number of addresses: frames in, frames out, large ones in chunks
// over long-lived streams.
//
// There are kStreamsPerPeer streams to each address, each on a connection of its own, made when
// first needed and closed by a later call, to any address, when nothing was asked there for a
// minute. A call goes over one of them; small calls go between the chunks of a large one.
//
// Shapes   Payloads are float32, field 15 of a frame (common/net/frame_parser.h); `message` is the
//          frame without it.
// Errors   In the status that `done` gets: what the peer answered, or UNAVAILABLE (the stream
//          broke: it may or may not have happened), DEADLINE_EXCEEDED, CANCELLED of the transport itself;
//          INTERNAL: the peer's answer breaks the rules of proto/stream.proto.
// Threads  Safe for use by many. `room` and `done` run on gRPC's threads, without a lock held;
//          `done` once for each call, cancelled ones included.
#ifndef PACELINE_COMMON_NET_STREAM_CALLS_H_
#define PACELINE_COMMON_NET_STREAM_CALLS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"

namespace grpc {
class Channel;
}  // namespace grpc

namespace paceline {

// docs/adr/0006-one-stream-for-many-calls.md.
inline constexpr size_t kStreamsPerPeer = 2;

// Calls about more are bulk; smaller ones keep to one stream, where they are cheaper behind one
// another.
inline constexpr uint64_t kBulkElements = uint64_t{16} << 10;

struct StreamCall {
  uint64_t id = 0;               // No other call that runs has it.
  std::string address;           // host:port.
  const char* method = nullptr;  // "/package.Service/Method"; a literal.
  absl::Duration timeout;
  std::string message;
  // Runs that stay valid and unchanged while `owner` is held; they are not copied.
  std::vector<absl::Span<const float>> payload;
  std::shared_ptr<const void> owner;
  // The request or the reply is large: such calls take turns between the streams.
  bool is_bulk = false;
  // Where the reply's payload goes, exactly as many bytes; asked once, before any of them come, if
  // there are any. The memory stays valid until the last copy of the function goes. Null: none is
  // wanted.
  std::function<absl::StatusOr<absl::Span<char>>(uint64_t payload_bytes)> room;
};

class StreamCalls {
 public:
  using Connect = std::function<std::shared_ptr<grpc::Channel>(const std::string& address)>;
  // `message` is the reply's; its payload is where `room` said.
  using Done = std::function<void(const absl::Status& status, const std::string& message)>;

  explicit StreamCalls(Connect connect);
  // Stop.
  ~StreamCalls();
  StreamCalls(const StreamCalls&) = delete;
  StreamCalls& operator=(const StreamCalls&) = delete;

  // After Stop it does nothing, and `done` never runs.
  void Start(StreamCall call, Done done);

  // Does nothing if the call is over.
  void Cancel(uint64_t id);

  // Cancels what is running and waits until `done` has run for all of it. Not from a `done`.
  void Stop();

 private:
  class Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace paceline

#endif  // PACELINE_COMMON_NET_STREAM_CALLS_H_
