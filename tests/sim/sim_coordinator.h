// The one coordinator of a fleet, on a machine of its own, over a store that outlives it.
//
// Threads  One thread at a time.
#ifndef PACELINE_TESTS_SIM_SIM_COORDINATOR_H_
#define PACELINE_TESTS_SIM_SIM_COORDINATOR_H_

#include "absl/time/time.h"
#include "server/store/memory.h"
#include "tests/sim/control_host.h"
#include "tests/sim/event_queue.h"
#include "tests/sim/network.h"
#include "tests/sim/oracle.h"
#include "tests/sim/scenario.h"

namespace paceline::sim {

class SimCoordinator {
 public:
  SimCoordinator(const Scenario* scenario, EventQueue* queue, Network* network, Oracle* oracle)
      : queue_(queue),
        network_(network),
        oracle_(oracle),
        node_("c", queue),
        host_(scenario, "c:1", &node_, queue, network, oracle) {}

  Node* node() { return &node_; }
  ControlHost* host() { return &host_; }

  void Start();
  void Kill();
  // Its store takes no write until `until`.
  void LoseStore(absl::Time until, bool is_known);

 private:
  EventQueue* const queue_;
  Network* const network_;
  Oracle* const oracle_;
  Node node_;
  MemoryStore store_;
  absl::Time store_back_ = absl::InfinitePast();
  ControlHost host_;
};

}  // namespace paceline::sim

#endif  // PACELINE_TESTS_SIM_SIM_COORDINATOR_H_
