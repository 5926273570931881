// One candidate's part in an election over etcd, as decisions: outcomes of calls and times in, the
// next call and news out.
//
// The role is a key that exists while somebody has it: attached to a lease, created by whoever
// finds it absent, holding its creator's address. A candidate without the role looks at the key
// every `poll`; one with it renews its lease three times within `ttl`. One that has lost its lease,
// but has not seen the key in another's hands, creates the key anew and has never stopped;
// `elected` names the key's first fence, so a store that is opened later wants a Resign before it.
//
// Units    Time is absl::Time, given with every call; it never goes backwards. A fence is the
//          revision at which the key was created.
// Threads  One thread at a time. No I/O, no clock.
// Source   etcd's concurrency recipes (election), with a key of one name in the place of a queue.
#ifndef PACELINE_SERVER_ELECTION_ELECTION_CORE_H_
#define PACELINE_SERVER_ELECTION_ELECTION_CORE_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"

namespace paceline {

struct ElectionOptions {
  std::string address;                            // This candidate's, for others to connect to.
  bool is_candidate = true;                       // False: it only follows who has the role.
  absl::Duration ttl = absl::Seconds(3);          // How long a vanished holder keeps the role.
  absl::Duration poll = absl::Milliseconds(250);  // Also between attempts that fail.
  absl::Duration abstain = absl::Seconds(4);      // After Resign.
};

// What the shell is to do next. Each has one outcome.
struct ElectionCall {
  enum class Kind {
    kNone,
    kGrant,   // A lease of `ttl`                                        -> OnGranted
    kRenew,   // `lease`                                                 -> OnRenewed
    kClaim,   // Create the key under `lease` unless it exists; read it  -> OnHolder
    kRead,    // Read the key                                            -> OnHolder
    kRevoke,  // End `lease`                                             -> OnRevoked
  };
  Kind kind = Kind::kNone;
  int64_t lease = 0;
};

// What the key holds.
struct ElectionHolder {
  std::string address;
  int64_t lease = 0;
  uint64_t fence = 0;
};

struct ElectionNews {
  enum class Kind { kElected, kLost, kMoved };
  Kind kind = Kind::kElected;
  uint64_t fence = 0;  // kElected.
  std::string text;    // kLost: why; kMoved: the coordinator's address.
};

class ElectionCore {
 public:
  explicit ElectionCore(ElectionOptions options) : options_(std::move(options)) {}

  // The call to make now; none while one is in flight or nothing is due.
  ElectionCall Next(absl::Time now);
  // When Next next has something, if no call is in flight.
  absl::Time due() const { return due_; }

  // NotFound: the lease is gone. Any other error: nobody answered.
  void OnGranted(absl::Time now, const absl::StatusOr<int64_t>& lease);
  void OnRenewed(absl::Time now, const absl::Status& status);
  void OnHolder(absl::Time now, const absl::StatusOr<absl::optional<ElectionHolder>>& holder);
  void OnRevoked(absl::Time now);

  void Resign(absl::Time now, absl::string_view why);
  void BeginAnew(absl::Time now, absl::string_view why);

  // What has become known since the last call, in order.
  std::vector<ElectionNews> TakeNews();

  bool has_role() const { return has_role_; }
  const std::string& coordinator() const { return coordinator_; }
  // To revoke at the end; 0: none.
  int64_t lease() const { return lease_; }

 private:
  ElectionCall Begin(ElectionCall::Kind kind, int64_t lease);
  void Follow(absl::Time now, const ElectionHolder& holder);
  void Win(absl::Time now, const ElectionHolder& holder);
  void Lose(std::string why);
  void Move(const std::string& address);
  bool MayClaim(absl::Time now) const;

  const ElectionOptions options_;

  bool in_flight_ = false;
  absl::Time due_ = absl::InfinitePast();
  bool has_role_ = false;
  bool has_key_ = false;    // It exists under lease_, as far as known; only with the role.
  bool is_absent_ = false;  // The key, when last seen.
  int64_t lease_ = 0;       // 0: none.
  int64_t discarded_ = 0;   // A lease to revoke; 0: none.
  absl::Time abstains_until_ = absl::InfinitePast();
  std::string coordinator_;
  std::vector<ElectionNews> news_;
};

}  // namespace paceline

#endif  // PACELINE_SERVER_ELECTION_ELECTION_CORE_H_
