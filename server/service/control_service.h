// ControlService over gRPC: every request goes to the Coordinator, every reply back to its caller.
//
// A call that waits costs no thread: it is parked in the coordinator, and its reactor here.
//
// Errors   As proto/control.proto.
// Threads  Safe. The coordinator is called under one lock, and its store's writes happen under it;
//          replies are sent without it. One thread waits for the coordinator's next tick.
#ifndef PACELINE_SERVER_SERVICE_CONTROL_SERVICE_H_
#define PACELINE_SERVER_SERVICE_CONTROL_SERVICE_H_

#include <memory>

#include "server/coordinator/coordinator.h"

namespace grpc {
class Service;
}  // namespace grpc

namespace paceline {

class ControlService {
 public:
  explicit ControlService(std::unique_ptr<Coordinator> coordinator);

  // The gRPC server must have ended before.
  ~ControlService();
  ControlService(const ControlService&) = delete;
  ControlService& operator=(const ControlService&) = delete;

  // To register with one gRPC server.
  grpc::Service* service();

  // Answers every parked call, and every later one, with UNAVAILABLE.
  void Stop();

 private:
  class Transport;

  const std::unique_ptr<Transport> transport_;
};

}  // namespace paceline

#endif  // PACELINE_SERVER_SERVICE_CONTROL_SERVICE_H_
