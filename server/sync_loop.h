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

#include <functional>
#include <memory>
#include <string>

#include "common/base/log.h"
#include "proto/control.pb.h"
#include "server/partition/partition_host.h"

namespace paceline {

struct SyncLoopOptions {
  // host:port of the coordinator; empty while nobody is known. Null: `join` says where to ask.
  std::function<std::string()> coordinator;
  std::string join;          // host:port[,host:port...]: ParseCoordinators.
  std::string id;            // This server's.
  std::string zone;          // This server's; may be empty.
  Logger* logger = nullptr;  // Outlives the loop.
  // Hears of each reply before `host` follows it; may be null.
  std::function<void(const v1::ServerSyncReply&)> on_directives;
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

  // As Hurry, after the coordinator has moved: what was asked of the old one is given up.
  void Redirect();

  // Tells the coordinator that this server leaves (it waits a second for that at most), and ends.
  void Stop();

 private:
  class Impl;

  const std::unique_ptr<Impl> impl_;
};

}  // namespace paceline

#endif  // PACELINE_SERVER_SYNC_LOOP_H_
