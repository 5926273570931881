// Keeps a parameter server in step with the coordinator: registers, renews its lease, reports its
// partitions and follows the directives.
//
// While the coordinator is away, nothing is dropped and the calls are repeated. When the
// incarnation is refused (its lease ran out, or another process took the id), it registers anew.
//
// Threads  Safe. Two of its own: one talks, so that the lease is renewed also while the other fills
//          new partitions with their initial values.
// Source   docs/protocol.md, "Membership and leases".
#ifndef PACELINE_SERVER_SYNC_LOOP_H_
#define PACELINE_SERVER_SYNC_LOOP_H_

#include <memory>
#include <string>

#include "common/base/log.h"
#include "server/partition/partition_host.h"

namespace paceline {

struct SyncLoopOptions {
  std::string coordinator;   // host:port.
  std::string id;            // This server's.
  Logger* logger = nullptr;  // Outlives the loop.
};

class SyncLoop {
 public:
  // `host` outlives the loop.
  SyncLoop(SyncLoopOptions options, PartitionHost* host);

  // Stop.
  ~SyncLoop();
  SyncLoop(const SyncLoop&) = delete;
  SyncLoop& operator=(const SyncLoop&) = delete;

  // Begins, once; workers reach this server at `address`.
  void Start(std::string address);

  // Reports at once instead of at the end of the interval.
  void Hurry();

  // Tells the coordinator that this server leaves (it waits a second for that at most), and ends.
  void Stop();

 private:
  class Impl;

  const std::unique_ptr<Impl> impl_;
};

}  // namespace paceline

#endif  // PACELINE_SERVER_SYNC_LOOP_H_
