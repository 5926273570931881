// Who has been heard of within a lease, and who is next to expire.
//
// Threads  One object, one thread.
#ifndef PACELINE_SERVER_COORDINATOR_LEASES_H_
#define PACELINE_SERVER_COORDINATOR_LEASES_H_

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"

namespace paceline {

class Leases {
 public:
  explicit Leases(absl::Duration lease) : lease_(lease) {}

  // Gives `id` one full lease from `now`.
  void Renew(const std::string& id, absl::Time now);

  // Lets the lease of `id`, if it is known, end at `end` unless it ends earlier.
  void Shorten(const std::string& id, absl::Time end);

  // Takes back every Shorten since the last Renew of `id`, if it is known.
  void Unshorten(const std::string& id);

  // Forgets `id`, if it is known.
  void End(const std::string& id);

  // Those whose lease is over at `now`, in id order. They stay until End.
  std::vector<std::string> Expired(absl::Time now) const;

  // The end of the lease of `id`; InfinitePast if it has none.
  absl::Time EndOf(const std::string& id) const;

  // When the next lease ends; InfiniteFuture: there is none.
  absl::Time Next() const;

 private:
  const absl::Duration lease_;
  std::map<std::string, absl::Time> end_of_;
  std::map<std::string, absl::Time> whole_;  // Their ends without Shorten.
  std::set<std::pair<absl::Time, std::string>> by_end_;
};

}  // namespace paceline

#endif  // PACELINE_SERVER_COORDINATOR_LEASES_H_
