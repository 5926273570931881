// ReplicaService over gRPC: decodes, calls one method of PartitionHost, encodes its reply.
//
// Shapes   Floats are copied once, out of the network's buffers into a Block, after their length
// was
//          found to be what the copy of the partition wants.
// Errors   As proto/replica.proto; a frame that cannot be read is INVALID_ARGUMENT to its sender.
// Threads  Safe. Every call is answered by the thread that brings it.
#ifndef PACELINE_SERVER_SERVICE_REPLICA_SERVICE_H_
#define PACELINE_SERVER_SERVICE_REPLICA_SERVICE_H_

#include <functional>
#include <memory>

#include "server/partition/partition_host.h"

namespace grpc {
class Service;
}  // namespace grpc

namespace paceline {

class StreamedMethods;

class ReplicaService {
 public:
  // `host` outlives the service. `on_news` as in ParameterService.
  ReplicaService(PartitionHost* host, std::function<void()> on_news);

  // The gRPC server must have ended before.
  ~ReplicaService();
  ReplicaService(const ReplicaService&) = delete;
  ReplicaService& operator=(const ReplicaService&) = delete;

  // To register with one gRPC server.
  grpc::Service* service();
  // The same methods, for streams.
  StreamedMethods* streamed();

 private:
  class Transport;

  const std::unique_ptr<Transport> transport_;
};

}  // namespace paceline

#endif  // PACELINE_SERVER_SERVICE_REPLICA_SERVICE_H_
