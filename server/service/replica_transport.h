// Carries a PartitionHost's calls to backups over gRPC's streams: frames out of blocks, replies out
// of frames.
//
// Errors   In the status that `done` gets: what the backup answered, or UNAVAILABLE,
//          DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, CANCELLED of the transport itself; INTERNAL: the
//          answer is no ReplicaReply.
// Threads  Safe for use by many. `done` runs on gRPC's threads, without a lock held, once for each
//          call.
#ifndef PACELINE_SERVER_SERVICE_REPLICA_TRANSPORT_H_
#define PACELINE_SERVER_SERVICE_REPLICA_TRANSPORT_H_

#include <cstdint>
#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "proto/replica.pb.h"
#include "server/replica/replica_call.h"

namespace paceline {

class ReplicaTransport {
 public:
  using Done =
      std::function<void(uint64_t id, const absl::Status& status, const v1::ReplicaReply& reply)>;

  explicit ReplicaTransport(Done done);
  // Stop.
  ~ReplicaTransport();
  ReplicaTransport(const ReplicaTransport&) = delete;
  ReplicaTransport& operator=(const ReplicaTransport&) = delete;

  // The payload's blocks are held, not copied. After Stop it does nothing, and `done` never runs.
  void Start(ReplicaCall call);

  // Cancels what is running and waits until `done` has run for all of it.
  void Stop();

 private:
  class Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace paceline

#endif  // PACELINE_SERVER_SERVICE_REPLICA_TRANSPORT_H_
