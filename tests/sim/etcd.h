// What an election and a coordinator's store find in an etcd cluster: leases, the key of who holds
// the role, and entries that only the newest of those who opened the store may write.
//
// It forgets nothing; it may be away, or out of a process's reach. Leases last on while it is away,
// as a newly elected etcd leader has it.
//
// Threads  One thread at a time.
// Source   server/store/etcd_store.h, server/election/election_core.h.
#ifndef PACELINE_TESTS_SIM_ETCD_H_
#define PACELINE_TESTS_SIM_ETCD_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "server/election/election_core.h"
#include "server/store/memory.h"
#include "server/store/store.h"
#include "tests/sim/event_queue.h"
#include "tests/sim/network.h"
#include "tests/sim/random.h"

namespace paceline::sim {

class Etcd {
 public:
  // How an ElectionCall ended.
  struct Outcome {
    absl::Status status;
    int64_t lease = 0;                          // kGrant.
    absl::optional<ElectionHolder> holder;      // kClaim, kRead.
  };

  // The store as one process has opened it: as EtcdStore, whose waiting takes no time here.
  class Link final : public Store {
   public:
    // Called once, when it becomes known that from now on calls return Aborted.
    using Deposed = std::function<void(absl::string_view why, bool by_another)>;

    Link(Etcd* etcd, const Node* from, uint64_t number, Deposed deposed)
        : etcd_(*etcd), from_(from), number_(number), on_deposed_(std::move(deposed)) {}

    absl::StatusOr<CommitResult> Commit(const Transaction& transaction) override;
    absl::StatusOr<std::vector<Entry>> Range(absl::string_view prefix) override;
    absl::Status health() const override { return deposed_.ok() ? silence_ : deposed_; }

    // One look at etcd.
    void Watch();

   private:
    bool IsReached();
    absl::Status Depose(absl::string_view why, bool by_another);

    Etcd& etcd_;
    const Node* const from_;
    const uint64_t number_;
    const Deposed on_deposed_;
    absl::Status silence_;
    absl::Status deposed_;
    bool was_written_ = false;  // What its sender was told had failed.
  };

  Etcd(EventQueue* queue, Network* network, uint64_t seed);

  Node* node() { return &node_; }

  // Makes `call` from `from`, whose candidate listens at `address`. `done` runs there.
  void Ask(Node* from, const std::string& address, const ElectionCall& call, absl::Duration ttl,
           std::function<void(const Outcome&)> done);
  // In good order, by somebody who does not wait for it.
  void Revoke(const Node* from, int64_t lease);

  // Aborted: the role is not held with `fence` any more.
  absl::StatusOr<std::unique_ptr<Link>> Open(const Node* from, uint64_t fence,
                                             Link::Deposed deposed);

  // It does not answer until `until`.
  void Lose(absl::Time until);

 private:
  bool Reaches(const Node* from) const;
  void EndLeases();
  Outcome Serve(const std::string& address, const ElectionCall& call, absl::Duration ttl);

  EventQueue* const queue_;
  Network* const network_;
  Random random_;
  Node node_;
  MemoryStore store_;
  uint64_t opened_ = 0;  // Links; the newest has the store.
  absl::Time back_ = absl::InfinitePast();
  std::map<int64_t, absl::Time> leases_;  // Their ends.
  int64_t last_lease_ = 0;
  absl::optional<ElectionHolder> holder_;
  uint64_t last_fence_ = 0;
};

}  // namespace paceline::sim

#endif  // PACELINE_TESTS_SIM_ETCD_H_
