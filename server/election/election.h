// Which of several servers is the coordinator.
//
// Being elected is a hint, not a right: who was elected may be stopped for a minute, lose the role,
// and go on believing in it. What keeps two coordinators from harm is not here but in
//   the store      whose every transaction fails once a later coordinator has opened it
//                  (server/store/etcd_store.h), so only one of them changes anything durable;
//   the partitions whose terms and promises come from that store (docs/protocol.md, "Fencing").
// So a coordinator whose election service does not answer keeps its role, even beyond the time
// after which another may have it: it can grant no new term and start no job meanwhile, for those
// need the store, but who runs goes on running. It gives the role up when it learns that another
// has it, or when its store says Aborted (then whoever owns it calls Resign).
//
// Threads  Safe; an implementation says where callbacks run.
#ifndef PACELINE_SERVER_ELECTION_ELECTION_H_
#define PACELINE_SERVER_ELECTION_ELECTION_H_

#include <cstdint>
#include <functional>
#include <string>

#include "absl/strings/string_view.h"

namespace paceline {

// Told one after the other, never two at once, without a lock held. They may call the Election, but
// for Stop, and may take their time.
struct ElectionCallbacks {
  // This process has the role. `fence` is what EtcdStore::Open wants to see; 0 for stores that know
  // none.
  std::function<void(uint64_t fence)> elected;
  // It has no longer; follows each `elected` at most once.
  std::function<void(absl::string_view why)> lost;
  // The coordinator's address has changed; "" only before any is known.
  std::function<void(absl::string_view address)> moved;
};

// Where the coordinator is.
class CoordinatorLocator {
 public:
  virtual ~CoordinatorLocator() = default;

  // As last heard of, this process's own included; "": nobody is known yet. May be out of date: who
  // finds no coordinator there asks again.
  virtual std::string coordinator() const = 0;
};

class Election : public CoordinatorLocator {
 public:
  // Begins; once.
  virtual void Start(ElectionCallbacks callbacks) = 0;

  // Gives the role up, and leaves it to others for a while. Without it: nothing.
  virtual void Resign(absl::string_view why) = 0;

  // Gives the role up, and may have it again at once: for who has to begin anew. Without it: nothing.
  virtual void BeginAnew(absl::string_view why) = 0;

  // Ends, without `lost`; no callback runs any more when it returns. Others can have the role at
  // once.
  virtual void Stop() = 0;
};

}  // namespace paceline

#endif  // PACELINE_SERVER_ELECTION_ELECTION_H_
