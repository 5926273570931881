// A coordinator's service in one process: the real core, when there is one, as
// server/service/control_service runs it.
//
// Threads  One thread at a time.
#ifndef PACELINE_TESTS_SIM_CONTROL_HOST_H_
#define PACELINE_TESTS_SIM_CONTROL_HOST_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "server/coordinator/coordinator.h"
#include "tests/sim/event_queue.h"
#include "tests/sim/network.h"
#include "tests/sim/oracle.h"
#include "tests/sim/scenario.h"

namespace paceline::sim {

// How a call of control ended, if anybody answered.
struct ControlAnswer {
  Reply reply;
  // Of one that was refused as UNAVAILABLE: the trailing metadata that say who coordinates.
  std::string coordinator;
};

class ControlHost {
 public:
  // Without a coordinator. All outlive the object.
  ControlHost(const Scenario* scenario, std::string address, Node* node, EventQueue* queue,
              Network* network, Oracle* oracle)
      : scenario_(*scenario),
        address_(std::move(address)),
        node_(node),
        queue_(queue),
        network_(network),
        oracle_(oracle) {}

  const std::string& address() const { return address_; }
  Node* node() const { return node_; }
  bool coordinates() const { return core_ != nullptr; }
  // Of a coordinator here.
  CoordinatorOptions Options() const;

  // Who coordinates as far as this process knows; without it nobody is known.
  void SetLocator(std::function<std::string()> locator) { locator_ = std::move(locator); }
  void Install(std::unique_ptr<Coordinator> core);
  // Parked calls are refused as later ones are.
  void Remove();
  // The process has died.
  void Die();

  // Calls `method` here, from `from`; `done` gets null without an answer.
  template <typename Request>
  uint64_t Call(Node* from, absl::Duration timeout,
                void (Coordinator::*method)(absl::Time, uint64_t, const Request&),
                const Request& request,
                std::function<void(const absl::Status&, const ControlAnswer*)> done,
                bool once = false) {
    auto serve = [this, method, request](std::shared_ptr<Network::Incoming> incoming) {
      Handle(std::move(incoming),
             [method, &request](Coordinator* core, absl::Time now, uint64_t call) {
               (core->*method)(now, call, request);
             });
    };
    auto finish = [done = std::move(done)](const absl::Status& status, const void* answer) {
      done(status, static_cast<const ControlAnswer*>(answer));
    };
    return network_->Call(from, node_, timeout, std::move(serve), std::move(finish),
                          {/*is_control=*/true, once});
  }

  // The same, by this process itself, which does not wait for the answer.
  template <typename Request>
  void Tell(void (Coordinator::*method)(absl::Time, uint64_t, const Request&),
            const Request& request) {
    if (core_ == nullptr) return;
    (core_.get()->*method)(node_->clock(), kOwnCall, request);
    Settle();
  }

 private:
  using Event = std::function<void(Coordinator*, absl::Time, uint64_t)>;
  static constexpr uint64_t kOwnCall = ~uint64_t{0};

  void Handle(std::shared_ptr<Network::Incoming> incoming, const Event& event);
  void RefuseWithout(const Network::Incoming& incoming) const;
  void Settle();
  void Show(const Reply& reply);
  void Tick();

  const Scenario& scenario_;
  const std::string address_;
  Node* const node_;
  EventQueue* const queue_;
  Network* const network_;
  Oracle* const oracle_;
  std::function<std::string()> locator_;
  std::unique_ptr<Coordinator> core_;  // Null: none is here.
  std::map<uint64_t, std::shared_ptr<Network::Incoming>> calls_;
  absl::Time armed_ = absl::InfiniteFuture();
};

using ControlHosts = std::map<std::string, ControlHost*>;  // By address.

}  // namespace paceline::sim

#endif  // PACELINE_TESTS_SIM_CONTROL_HOST_H_
