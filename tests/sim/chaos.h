// Makes the faults of a scenario happen.
//
// Those of servers happen only when every partition keeps a copy in sync on a server that is well:
// from the copies and placements as they really are, no matter who knows it. So a job that fails
// has been failed wrongly.
//
// Threads  One thread at a time.
#ifndef PACELINE_TESTS_SIM_CHAOS_H_
#define PACELINE_TESTS_SIM_CHAOS_H_

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "tests/sim/random.h"
#include "tests/sim/scenario.h"
#include "tests/sim/sim_server.h"
#include "tests/sim/sim_worker.h"

namespace paceline::sim {

class Chaos {
 public:
  using Servers = std::vector<std::unique_ptr<SimServer>>;
  using Workers = std::vector<std::unique_ptr<SimWorker>>;

  // All outlive the object.
  Chaos(const World* world, const Servers* servers, const Workers* workers);

  // Puts every fault into the queue, and the calm that ends them.
  void Plan();

  uint64_t server_faults() const { return server_faults_; }

 private:
  absl::Time At(absl::Duration elapsed) const { return world_.queue->start() + elapsed; }
  absl::Time EndOf(absl::Time when, const FaultEvent& fault) const;
  void PlanFault(const FaultEvent& fault);
  void PlanForWorker(const FaultEvent& fault, absl::Time end, SimWorker* worker);
  void Calm();
  void LosePower(const PowerLoss& loss);

  SimServer* FindServer(const std::string& name) const;
  SimWorker* FindWorker(const std::string& name) const;
  SimServer* Elected() const;
  Node* CoordinatorNode() const;
  Node* Find(const std::string& name) const;
  std::vector<Node*> PeersOf(const Node* node, const std::string& name) const;
  void Ail(Node* node, const FaultEvent& fault, absl::Time end);

  // Servers.
  void Try(const FaultEvent& fault);
  SimServer* Choose(const std::string& who);
  bool IsWell(const SimServer& server) const;
  using Targets = std::set<const SimServer*>;
  Targets TargetsOf(const SimServer* server, const FaultEvent& fault) const;
  bool IsSafe(const Targets& targets) const;
  bool IsSafe(const Targets& targets, const v1::PartitionPlacement& placement) const;
  bool IsGood(const v1::PartitionReplica& replica, const v1::PartitionPlacement& placement) const;
  void Hit(SimServer* server, const FaultEvent& fault);

  const World& world_;
  const Scenario& scenario_;
  const Servers& servers_;
  const Workers& workers_;
  Random random_;
  std::map<const SimServer*, absl::Time> ill_until_;
  uint64_t server_faults_ = 0;
};

}  // namespace paceline::sim

#endif  // PACELINE_TESTS_SIM_CHAOS_H_
