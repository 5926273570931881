// The election of a fleet with one coordinator, whose store is its own file or memory: it wins.
//
// Threads  Safe. Start calls back before it returns.
#ifndef PACELINE_SERVER_ELECTION_SOLE_ELECTION_H_
#define PACELINE_SERVER_ELECTION_SOLE_ELECTION_H_

#include <string>
#include <utility>

#include "server/election/election.h"

namespace paceline {

class SoleElection : public Election {
 public:
  explicit SoleElection(std::string address) : address_(std::move(address)) {}

  void Start(ElectionCallbacks callbacks) override {
    if (callbacks.moved) callbacks.moved(address_);
    if (callbacks.elected) callbacks.elected(0);
  }
  std::string coordinator() const override { return address_; }
  // There is nobody to leave it to, and no store that would ask for it.
  void Resign(absl::string_view) override {}
  void BeginAnew(absl::string_view) override {}
  void Stop() override {}

 private:
  const std::string address_;
};

}  // namespace paceline

#endif  // PACELINE_SERVER_ELECTION_SOLE_ELECTION_H_
