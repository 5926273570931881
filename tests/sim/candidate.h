// One server's part in who coordinates: the real election over Etcd, and a coordinator in its
// ControlHost while it has the role, as server/server.cc puts them together.
//
// Threads  One thread at a time.
#ifndef PACELINE_TESTS_SIM_CANDIDATE_H_
#define PACELINE_TESTS_SIM_CANDIDATE_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "absl/time/time.h"
#include "server/election/election_core.h"
#include "tests/sim/control_host.h"
#include "tests/sim/etcd.h"
#include "tests/sim/event_queue.h"
#include "tests/sim/oracle.h"
#include "tests/sim/random.h"

namespace paceline::sim {

class Candidate {
 public:
  // `server` is the id of the one in this process; `moved` is told that another coordinates than
  // before. All outlive the object.
  Candidate(std::string server, ControlHost* host, EventQueue* queue, Etcd* etcd, Oracle* oracle,
            uint64_t seed, std::function<void()> moved);

  // With its process.
  void Start();
  void Die();
  // In good order: others may have the role at once.
  void Leave();

  // Who coordinates, as last heard of; empty: nobody is known.
  std::string coordinator() const { return core_ == nullptr ? "" : core_->coordinator(); }

 private:
  void Go();
  void OnOutcome(const ElectionCall& call, const Etcd::Outcome& outcome);
  void TellNews();
  void Elected(uint64_t fence);
  absl::Status BeginToCoordinate(uint64_t fence);
  void Watch(const Etcd::Link* link);

  const std::string server_;
  ControlHost* const host_;
  Node* const node_;
  EventQueue* const queue_;
  Etcd* const etcd_;
  Oracle* const oracle_;
  Random random_;
  const std::function<void()> moved_;

  std::unique_ptr<ElectionCore> core_;  // Null: no process is here.
  bool is_asking_ = false;
  absl::Time armed_ = absl::InfiniteFuture();
  std::deque<ElectionNews> news_;  // Told one after the other.
  bool is_opening_ = false;
  std::unique_ptr<Etcd::Link> store_;
};

}  // namespace paceline::sim

#endif  // PACELINE_TESTS_SIM_CANDIDATE_H_
