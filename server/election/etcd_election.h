// An Election over etcd: election_core's decisions, carried out by one thread.
//
// Errors   None are reported: while etcd does not answer, everything stays as it was last known.
// Threads  Safe. Callbacks run on a thread of their own, so that the lease is renewed while they
//          take their time.
// Source   election_core.h.
#ifndef PACELINE_SERVER_ELECTION_ETCD_ELECTION_H_
#define PACELINE_SERVER_ELECTION_ETCD_ELECTION_H_

#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "server/election/election.h"
#include "server/election/election_core.h"
#include "server/store/etcd/address.h"

namespace paceline {

class EtcdElection : public Election {
 public:
  EtcdElection(EtcdAddress etcd, ElectionOptions options);
  ~EtcdElection() override;  // Stops.
  EtcdElection(const EtcdElection&) = delete;
  EtcdElection& operator=(const EtcdElection&) = delete;

  void Start(ElectionCallbacks callbacks) override;
  std::string coordinator() const override;
  void Resign(absl::string_view why) override;
  void BeginAnew(absl::string_view why) override;
  void Stop() override;

 private:
  class Impl;

  const std::unique_ptr<Impl> impl_;
};

}  // namespace paceline

#endif  // PACELINE_SERVER_ELECTION_ETCD_ELECTION_H_
