// ControlService over gRPC: every request goes to the Coordinator, every reply back to its caller.
//
// A call that waits costs no thread: it is parked in the coordinator, and its reactor here.
//
// While another server is the coordinator, there is none here: every call is refused and sent on.
//
// Errors   As proto/control.proto. UNAVAILABLE: also without a coordinator; who is, is in the
//          trailing metadata (common/net/coordinator_choice.h) and in the message.
// Threads  Safe. The coordinator is called under one lock, and its store's writes happen under it;
//          replies are sent without it. One thread waits for the coordinator's next tick.
#ifndef PACELINE_SERVER_SERVICE_CONTROL_SERVICE_H_
#define PACELINE_SERVER_SERVICE_CONTROL_SERVICE_H_

#include <functional>
#include <memory>
#include <string>

#include "proto/control.pb.h"
#include "server/coordinator/coordinator.h"

namespace grpc {
class Service;
}  // namespace grpc

namespace paceline {

class ControlService {
 public:
  struct Options {
    // host:port of the coordinator as far as known; of this server. Safe to call, always.
    std::function<std::string()> coordinator;
    std::function<std::string()> address;
  };

  // Without a coordinator.
  explicit ControlService(Options options);

  // The gRPC server must have ended before.
  ~ControlService();
  ControlService(const ControlService&) = delete;
  ControlService& operator=(const ControlService&) = delete;

  // To register with one gRPC server.
  grpc::Service* service();

  // This server is the coordinator from now on; it was not.
  void Install(std::unique_ptr<Coordinator> coordinator);
  // It no longer is: parked calls are refused as later ones are. Null if it was not.
  std::unique_ptr<Coordinator> Remove();

  // What DescribeFleet and ListJobs answer at this moment. False: there is no coordinator here, and
  // nothing has been written.
  bool Describe(v1::FleetStatus* fleet, v1::ListJobsReply* jobs);

  // Answers every parked call, and every later one, with UNAVAILABLE.
  void Stop();

 private:
  class Transport;

  const std::unique_ptr<Transport> transport_;
};

}  // namespace paceline

#endif  // PACELINE_SERVER_SERVICE_CONTROL_SERVICE_H_
