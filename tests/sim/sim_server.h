// A server process: the real partitions and checkpoint files behind the conversation of
// server/sync_loop, the calls of server/service/parameter_service and those between servers, and
// the queue of server/checkpoint_writer. The oracle sees all that goes in and out.
//
// Threads  One thread at a time.
#ifndef PACELINE_TESTS_SIM_SIM_SERVER_H_
#define PACELINE_TESTS_SIM_SIM_SERVER_H_

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "client/session.h"
#include "server/checkpoint/memory_file_system.h"
#include "server/checkpoint_files.h"
#include "server/partition/checkpoint_work.h"
#include "server/partition/partition_host.h"
#include "tests/sim/candidate.h"
#include "tests/sim/checkpoint_oracle.h"
#include "tests/sim/control_host.h"
#include "tests/sim/disk.h"
#include "tests/sim/etcd.h"
#include "tests/sim/event_queue.h"
#include "tests/sim/network.h"
#include "tests/sim/oracle.h"
#include "tests/sim/random.h"
#include "tests/sim/scenario.h"
#include "tests/sim/sim_coordinator.h"

namespace paceline::sim {

class SimServer;
using SimServers = std::map<std::string, SimServer*>;  // By address.

// What a fleet's processes have in common; all outlive them.
struct World {
  const Scenario* scenario = nullptr;
  EventQueue* queue = nullptr;
  Network* network = nullptr;
  Oracle* oracle = nullptr;
  // The fleet has the one or the other: servers elect who coordinates, over the latter.
  SimCoordinator* coordinator = nullptr;
  Etcd* etcd = nullptr;
  ControlHosts hosts;        // Of all that coordinate or may,
  std::string coordinators;  // and their addresses, as --join takes them.
  SimServers servers;
  MemoryFileSystem* folder = nullptr;  // Of all checkpoints.
  CheckpointOracle* checkpoints = nullptr;
};

class SimServer {
 public:
  SimServer(const std::string& id, const World* world);

  Node* node() { return &node_; }
  const Node* node() const { return &node_; }
  const v1::ServerIdentity& identity() const { return identity_; }
  std::string address() const { return absl::StrCat(id_, ":1"); }
  // Null: it never coordinates.
  ControlHost* control() const { return control_.get(); }

  // A process that holds nothing.
  void Start();
  // With all that it holds.
  void Kill();
  // Says goodbye and ends.
  void Leave();
  // From here on its disk is as it should be.
  void CalmDisk();

  // As the network brings it.
  void Handle(std::shared_ptr<Network::Incoming> incoming, const ParameterCall& call);
  void HandleReplica(std::shared_ptr<Network::Incoming> incoming, const ReplicaCall& call);

  // The newest committed parameters of the copy here, from nobody over no network; null: there is
  // none.
  BlockRef Peek(const std::string& job, uint32_t partition) const;
  std::vector<v1::PartitionReport> Report() const { return host_->Report(node_.clock()); }
  // What is here of any job, for people; empty: nothing.
  std::string Holds() const;

 private:
  void Deliver(Answer answer);
  void SendReplica(ReplicaCall call);
  void AfterEvent();
  void Arm();

  // server/checkpoint_writer: one work after the other, each takes its time.
  void StartFiles();
  void Write(CheckpointWork work);
  void BeginWork();
  void FinishWork();
  void Tidy();
  v1::ServerSyncRequest MakeRequest() const;
  // server/sync_loop.
  ControlHost* WhoCoordinates() const;
  void Sync();
  void OnNotSynced(const absl::Status& status);
  void OnSynced(const v1::ServerSyncReply& reply);
  void Receive(const v1::ServerSyncReply& reply);
  void Follow();
  // Syncs anew: there is news; another coordinates.
  void Hurry();
  void Redirect();

  const std::string id_;
  const Scenario* const scenario_;
  EventQueue* const queue_;
  Network* const network_;
  Oracle* const oracle_;
  const World* const world_;
  MemoryFileSystem* const folder_;
  CheckpointOracle* const checkpoints_;
  bool is_calm_ = false;
  Random random_;
  Node node_;
  std::unique_ptr<Disk> disk_;
  std::unique_ptr<CheckpointFiles> files_;
  std::deque<CheckpointWork> works_;
  bool is_tidying_ = false;  // Tried again soon.
  std::unique_ptr<PartitionHost> host_;
  std::unique_ptr<ControlHost> control_;
  std::unique_ptr<Candidate> candidate_;  // Null: as control_.
  std::map<uint64_t, std::shared_ptr<Network::Incoming>> calls_;
  absl::Time armed_ = absl::InfiniteFuture();

  v1::ServerIdentity identity_;
  uint64_t newest_incarnation_ = 0;  // Of all its processes.
  uint64_t known_version_ = 0;
  absl::Duration interval_ = absl::Seconds(1);
  absl::Duration patience_;
  absl::Duration retry_;
  uint64_t sync_call_ = 0;                          // In flight; 0: none.
  absl::optional<v1::ServerSyncReply> directives_;  // Not yet followed.
};

}  // namespace paceline::sim

#endif  // PACELINE_TESTS_SIM_SIM_SERVER_H_
