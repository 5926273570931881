// The control plane's one decision maker: who is there, which jobs run, who does what.
//
// Every request of ControlService goes in with a number its caller chose (`call`), and its answer
// comes out of TakeReplies under that number, at once or when what it waits for has happened. Each
// call is answered exactly once, unless OnCancel took it back.
//
// Units    Time is absl::Time, given with every call; it never goes backwards (an earlier time counts
//          as the latest one seen).
// Errors   In replies, as proto/control.proto says. UNAVAILABLE: the store refused a write; nothing
//          has changed and the request may be repeated. RESOURCE_EXHAUSTED: a limit of
//          CoordinatorOptions.
// Threads  One thread at a time. No I/O but the store's, no thread, no clock.
// Source   docs/protocol.md.
#ifndef PACELINE_SERVER_COORDINATOR_COORDINATOR_H_
#define PACELINE_SERVER_COORDINATOR_COORDINATOR_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "proto/control.pb.h"
#include "server/store/store.h"

namespace paceline {

struct CoordinatorOptions {
  std::string release;  // Workers and servers of another are refused. Required.
  absl::Duration lease = absl::Seconds(2);                 // Longer than sync_interval.
  absl::Duration sync_interval = absl::Milliseconds(200);  // At least 1 ms.
  // What a server has left to sync once more when its waiting sync was cancelled (OnCancel), as
  // when its process dies. Positive; more than `lease` counts as `lease`.
  absl::Duration suspect_lease = absl::Milliseconds(600);
  // The id of the server in this process, if there is one: hearing it says nothing of the network.
  std::string own_server;
  size_t ended_jobs_kept = 16;
  size_t events_kept = 10000;

  // Told of each event as it happens, besides keeping it; must not call the coordinator.
  std::function<void(const v1::Event&)> on_event;

  // What peers can make grow.
  size_t jobs_max = 1000;        // That have not ended.
  size_t workers_max = 10000;    // Alive, library clients included.
  size_t servers_max = 1024;     // Alive.
  size_t calls_max = 100000;     // Parked at once.
  size_t evaluations_max = 100000;      // Kept per job.
  size_t partitions_max = 1u << 16;     // Of one job.
  size_t copies_max = 1u << 17;         // Of all partitions of one job together.
};

// The answer to one call. With an error status there is no message.
struct Reply {
  uint64_t call = 0;
  absl::Status status;
  std::variant<std::monostate, v1::WorkerSyncReply, v1::ServerSyncReply, v1::LeaseReply,
               v1::SubmitJobReply, v1::JobStatus, v1::ListJobsReply, v1::CancelJobReply,
               v1::SetConsistencyReply, v1::ListEventsReply, v1::FleetStatus, v1::DrainServerReply,
               v1::RebalanceReply, v1::ScaleJobReply, v1::TakeCheckpointReply>
      message;
};

class Coordinator {
 public:
  // Carries on from what `store` (which must outlive the object) holds. Every worker and server it
  // knows has one full lease from `now`. DATA_LOSS: the store holds what no coordinator wrote.
  static absl::StatusOr<std::unique_ptr<Coordinator>> Create(CoordinatorOptions options,
                                                             Store* store, absl::Time now);
  ~Coordinator();
  Coordinator(const Coordinator&) = delete;
  Coordinator& operator=(const Coordinator&) = delete;

  // One method for each rpc of ControlService. `call` is not in use by another unanswered call.
  void OnWorkerSync(absl::Time now, uint64_t call, const v1::WorkerSyncRequest& request);
  void OnServerSync(absl::Time now, uint64_t call, const v1::ServerSyncRequest& request);
  void OnLeaseRuns(absl::Time now, uint64_t call, const v1::LeaseRequest& request);
  void OnSubmitJob(absl::Time now, uint64_t call, const v1::SubmitJobRequest& request);
  void OnDescribeJob(absl::Time now, uint64_t call, const v1::DescribeJobRequest& request);
  void OnListJobs(absl::Time now, uint64_t call, const v1::ListJobsRequest& request);
  void OnCancelJob(absl::Time now, uint64_t call, const v1::CancelJobRequest& request);
  void OnSetConsistency(absl::Time now, uint64_t call, const v1::SetConsistencyRequest& request);
  void OnListEvents(absl::Time now, uint64_t call, const v1::ListEventsRequest& request);
  void OnDescribeFleet(absl::Time now, uint64_t call, const v1::DescribeFleetRequest& request);
  void OnDrainServer(absl::Time now, uint64_t call, const v1::DrainServerRequest& request);
  void OnRebalance(absl::Time now, uint64_t call, const v1::RebalanceRequest& request);
  void OnScaleJob(absl::Time now, uint64_t call, const v1::ScaleJobRequest& request);
  void OnTakeCheckpoint(absl::Time now, uint64_t call, const v1::TakeCheckpointRequest& request);

  // The caller of `call` has gone away: it needs no answer. A call that was answered is ignored. A
  // server whose waiting sync this was has `suspect_lease` left from the latest time seen.
  void OnCancel(uint64_t call);

  // Ends what time ends: leases, intervals. Calling it early or late is harmless.
  void OnTick(absl::Time now);

  // When OnTick next has something to do, as of the last On...; InfiniteFuture: nothing.
  absl::Time NextTick() const;

  // The answers that have become ready since the last call, in that order.
  std::vector<Reply> TakeReplies();

 private:
  class Fleet;

  explicit Coordinator(std::unique_ptr<Fleet> fleet);

  std::unique_ptr<Fleet> fleet_;
};

}  // namespace paceline

#endif  // PACELINE_SERVER_COORDINATOR_COORDINATOR_H_
