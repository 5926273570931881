// ParameterService over gRPC: decodes, calls one method of PartitionHost, encodes the answer.
//
// A call that must wait costs no thread: it is parked in the host, and its reactor here. When the
// caller goes away or its deadline passes, both forget it.
//
// Shapes   Gradients are copied once, out of the network's buffers into a Block, after their length
//          was found to be what the partition wants; from a stream, chunk by chunk as they come.
//          Answers are sent from the partition's block.
// Errors   As proto/parameter.proto; a frame that cannot be read is INVALID_ARGUMENT to its sender.
// Threads  Safe.
#ifndef PACELINE_SERVER_SERVICE_PARAMETER_SERVICE_H_
#define PACELINE_SERVER_SERVICE_PARAMETER_SERVICE_H_

#include <functional>
#include <memory>

#include "server/partition/partition_host.h"

namespace grpc {
class Service;
}  // namespace grpc

namespace paceline {

class StreamedMethods;

class ParameterService {
 public:
  // `on_news` is called, from any thread, when the coordinator should hear of the host before the
  // next interval. `replica_sink` carries out the host's calls to other servers.
  ParameterService(PartitionHost::Options options, std::function<void()> on_news,
                   PartitionHost::ReplicaSink replica_sink);

  // The gRPC server must have ended before.
  ~ParameterService();
  ParameterService(const ParameterService&) = delete;
  ParameterService& operator=(const ParameterService&) = delete;

  // To register with one gRPC server.
  grpc::Service* service();
  // The same methods, for streams.
  StreamedMethods* streamed();
  PartitionHost* host();

  // Answers every parked call, and every later one, with UNAVAILABLE.
  void Stop();

 private:
  class Transport;

  const std::unique_ptr<Transport> transport_;
};

}  // namespace paceline

#endif  // PACELINE_SERVER_SERVICE_PARAMETER_SERVICE_H_
