// Unary calls whose request and reply are bytes, to any number of addresses.
//
// There is one connection to each address, made when it is first needed and closed when nothing was
// asked there for a minute.
//
// Errors   In the status that `done` gets: what the peer answered, or UNAVAILABLE,
//          DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, CANCELLED of the transport itself.
// Threads  Safe for use by many. `done` runs on gRPC's threads, without a lock held, once for each
//          call, cancelled ones included.
#ifndef PACELINE_COMMON_NET_RAW_CALLS_H_
#define PACELINE_COMMON_NET_RAW_CALLS_H_

#include <grpcpp/support/byte_buffer.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace grpc {
class Channel;
}  // namespace grpc

namespace paceline {

struct RawCall {
  uint64_t id = 0;               // No other call that runs has it.
  std::string address;           // host:port.
  const char* method = nullptr;  // "/package.Service/Method"; a literal.
  absl::Duration timeout;
  grpc::ByteBuffer request;
};

class RawCalls {
 public:
  using Connect = std::function<std::shared_ptr<grpc::Channel>(const std::string& address)>;
  using Done = std::function<void(const absl::Status& status, const grpc::ByteBuffer& reply)>;

  explicit RawCalls(Connect connect);
  // Stop.
  ~RawCalls();
  RawCalls(const RawCalls&) = delete;
  RawCalls& operator=(const RawCalls&) = delete;

  // After Stop it does nothing, and `done` never runs.
  void Start(RawCall call, Done done);

  // Does nothing if the call is over.
  void Cancel(uint64_t id);

  // Cancels what is running and waits until `done` has run for all of it.
  void Stop();

 private:
  class Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace paceline

#endif  // PACELINE_COMMON_NET_RAW_CALLS_H_
