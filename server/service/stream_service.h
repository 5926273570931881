// CallStream over gRPC: the calls of other services, in chunks, from long-lived streams.
//
// A call is handed to its service by the thread that reads its last chunk, and nothing more is read
// of that stream until the service has taken it: a server reads no faster than it works. While more
// than kUnsentMax replies wait to be sent, because the caller does not read them, nothing is read
// either. A call whose time is over is forgotten within a second.
//
// Errors   As proto/stream.proto.
// Threads  Safe.
#ifndef PACELINE_SERVER_SERVICE_STREAM_SERVICE_H_
#define PACELINE_SERVER_SERVICE_STREAM_SERVICE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "server/service/streamed_call.h"

namespace grpc {
class Service;
}  // namespace grpc

namespace paceline {

class StreamService {
 public:
  // Replies of one stream that wait to be sent, and calls of one stream that wait for an answer
  // (more are refused as RESOURCE_EXHAUSTED).
  static constexpr size_t kUnsentMax = 256;
  static constexpr size_t kCallsMax = 65536;
  // Bytes that calls may claim whose last chunk has not come, over all streams.
  static constexpr uint64_t kOpenBytesMax = uint64_t{4} << 30;

  // The services outlive it.
  explicit StreamService(std::vector<StreamedMethods*> services);

  // The gRPC server must have ended before.
  ~StreamService();
  StreamService(const StreamService&) = delete;
  StreamService& operator=(const StreamService&) = delete;

  // To register with one gRPC server.
  grpc::Service* service();

  // Ends every stream, now or later, with UNAVAILABLE: one with calls once those are answered.
  void Stop();

 private:
  class Transport;

  const std::unique_ptr<Transport> transport_;
};

}  // namespace paceline

#endif  // PACELINE_SERVER_SERVICE_STREAM_SERVICE_H_
