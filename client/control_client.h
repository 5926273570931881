// Calls to the coordinator: every rpc of ControlService, blocking, each with a deadline.
//
// Given several addresses, or sent on by a server that is not the coordinator, a call goes from one
// to the next until one answers, every address has refused, or the time is over. So it may be
// executed twice, as after a lost answer.
//
// Errors   As proto/control.proto says per rpc. UNAVAILABLE names the address that did not answer.
//          CANCELLED after Stop().
// Threads  Safe for use by many.
#ifndef PACELINE_CLIENT_CONTROL_CLIENT_H_
#define PACELINE_CLIENT_CONTROL_CLIENT_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "proto/control.pb.h"

namespace paceline {

class ControlClient {
 public:
  // host:port of servers of one fleet, with commas between them. Connects on the first call and
  // again whenever the connection is lost.
  explicit ControlClient(const std::string& addresses);
  // No call may be running.
  ~ControlClient();

  absl::StatusOr<v1::WorkerSyncReply> WorkerSync(const v1::WorkerSyncRequest& request,
                                                 absl::Duration timeout);
  absl::StatusOr<v1::ServerSyncReply> ServerSync(const v1::ServerSyncRequest& request,
                                                 absl::Duration timeout);
  absl::StatusOr<v1::SubmitJobReply> SubmitJob(const v1::SubmitJobRequest& request,
                                               absl::Duration timeout);
  absl::StatusOr<v1::JobStatus> DescribeJob(const v1::DescribeJobRequest& request,
                                            absl::Duration timeout);
  absl::StatusOr<v1::ListJobsReply> ListJobs(const v1::ListJobsRequest& request,
                                             absl::Duration timeout);
  absl::StatusOr<v1::CancelJobReply> CancelJob(const v1::CancelJobRequest& request,
                                               absl::Duration timeout);
  absl::StatusOr<v1::SetConsistencyReply> SetConsistency(const v1::SetConsistencyRequest& request,
                                                         absl::Duration timeout);
  absl::StatusOr<v1::ListEventsReply> ListEvents(const v1::ListEventsRequest& request,
                                                 absl::Duration timeout);
  absl::StatusOr<v1::FleetStatus> DescribeFleet(const v1::DescribeFleetRequest& request,
                                                absl::Duration timeout);
  absl::StatusOr<v1::DrainServerReply> DrainServer(const v1::DrainServerRequest& request,
                                                   absl::Duration timeout);
  absl::StatusOr<v1::RebalanceReply> Rebalance(const v1::RebalanceRequest& request,
                                               absl::Duration timeout);
  absl::StatusOr<v1::ScaleJobReply> ScaleJob(const v1::ScaleJobRequest& request,
                                             absl::Duration timeout);
  absl::StatusOr<v1::TakeCheckpointReply> TakeCheckpoint(const v1::TakeCheckpointRequest& request,
                                                         absl::Duration timeout);

  // Does not block; `done` runs once, on a thread of gRPC's.
  void LeaseRuns(const v1::LeaseRequest& request, absl::Duration timeout,
                 std::function<void(absl::StatusOr<v1::LeaseReply>)> done);

  // Ends all running calls, and every later one, with CANCELLED.
  void Stop();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace paceline

#endif  // PACELINE_CLIENT_CONTROL_CLIENT_H_
