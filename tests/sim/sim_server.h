// A server process: the real partitions behind the conversation of server/sync_loop and the calls
// of server/service/parameter_service. The oracle sees all that goes in and out.
//
// Threads  One thread at a time.
#ifndef PACELINE_TESTS_SIM_SIM_SERVER_H_
#define PACELINE_TESTS_SIM_SIM_SERVER_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client/session.h"
#include "server/partition/partition_host.h"
#include "tests/sim/event_queue.h"
#include "tests/sim/network.h"
#include "tests/sim/oracle.h"
#include "tests/sim/sim_coordinator.h"

namespace paceline::sim {

class SimServer {
 public:
  SimServer(const std::string& id, EventQueue* queue, Network* network, Oracle* oracle,
            SimCoordinator* coordinator);

  Node* node() { return &node_; }
  void Start();

  // As the network brings it.
  void Handle(std::shared_ptr<Network::Incoming> incoming, const ParameterCall& call);

  // The newest parameters of one partition, from nobody over no network; null: it has none.
  BlockRef Peek(const std::string& job, uint32_t segment, uint32_t partition);

 private:
  void Deliver(Answer answer);
  void AfterEvent();
  // server/sync_loop.
  void Sync();
  void OnSynced(const absl::Status& status, const v1::ServerSyncReply* reply);
  void Hurry();

  const std::string id_;
  EventQueue* const queue_;
  Network* const network_;
  Oracle* const oracle_;
  SimCoordinator* const coordinator_;
  Node node_;
  std::unique_ptr<PartitionHost> host_;
  std::map<uint64_t, std::shared_ptr<Network::Incoming>> calls_;
  BlockRef peeked_;

  v1::ServerIdentity identity_;
  uint64_t known_version_ = 0;
  absl::Duration interval_ = absl::Seconds(1);
  absl::Duration patience_;
  absl::Duration retry_;
  uint64_t sync_call_ = 0;  // In flight; 0: none.
};

}  // namespace paceline::sim

#endif  // PACELINE_TESTS_SIM_SIM_SERVER_H_
