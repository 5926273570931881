// A coordinator process: the real core over a store that outlives it, as server/service runs it.
//
// Threads  One thread at a time.
#ifndef PACELINE_TESTS_SIM_SIM_COORDINATOR_H_
#define PACELINE_TESTS_SIM_SIM_COORDINATOR_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <utility>
#include <variant>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "proto/control.pb.h"
#include "server/coordinator/coordinator.h"
#include "server/store/memory.h"
#include "tests/sim/event_queue.h"
#include "tests/sim/network.h"
#include "tests/sim/oracle.h"

namespace paceline::sim {

class SimCoordinator {
 public:
  SimCoordinator(EventQueue* queue, Network* network, Oracle* oracle)
      : queue_(queue), network_(network), oracle_(oracle), node_("c", queue) {}

  Node* node() { return &node_; }

  void Start();
  void Kill();
  // Its store takes no write until `until`.
  void LoseStore(absl::Time until, bool is_known);

  // Calls `method` here, from `from`; `done` gets null without an answer.
  template <typename Request, typename Answer>
  uint64_t Call(Node* from, absl::Duration timeout,
                void (Coordinator::*method)(absl::Time, uint64_t, const Request&),
                const Request& request,
                std::function<void(const absl::Status&, const Answer*)> done, bool once = false) {
    auto serve = [this, method, request](std::shared_ptr<Network::Incoming> incoming) {
      Handle(std::move(incoming),
             [method, &request](Coordinator* core, absl::Time now, uint64_t call) {
               (core->*method)(now, call, request);
             });
    };
    auto finish = [done = std::move(done)](const absl::Status& status, const void* answer) {
      if (!status.ok()) return done(status, nullptr);
      done(status, std::get_if<Answer>(&static_cast<const Reply*>(answer)->message));
    };
    return network_->Call(from, &node_, timeout, std::move(serve), std::move(finish), once);
  }

 private:
  using Event = std::function<void(Coordinator*, absl::Time, uint64_t)>;

  void Handle(std::shared_ptr<Network::Incoming> incoming, const Event& event);
  void Settle();
  void Show(const Reply& reply);
  void Tick();

  EventQueue* const queue_;
  Network* const network_;
  Oracle* const oracle_;
  Node node_;
  MemoryStore store_;
  absl::Time store_back_ = absl::InfinitePast();
  std::unique_ptr<Coordinator> core_;
  std::map<uint64_t, std::shared_ptr<Network::Incoming>> calls_;
  absl::Time armed_ = absl::InfiniteFuture();
};

}  // namespace paceline::sim

#endif  // PACELINE_TESTS_SIM_SIM_COORDINATOR_H_
