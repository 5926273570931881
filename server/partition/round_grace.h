// How long a quorum round waits for those that are behind its first push.
//
// The grace of a round begins with the first push that arrives for it and lasts for median + factor
// * MAD of how long after the first one the pushes of the newest 64 rounds arrived: the first ones
// themselves, at 0, and those that came after their round's end are among them. A MAD below 1 ms
// counts as 1 ms. While fewer than 8 arrivals are known it lasts for 1 s.
//
// Units    A round is named by the version that it starts from.
// Threads  One thread at a time.
// Source   docs/protocol.md, "Consistency".
#ifndef PACELINE_SERVER_PARTITION_ROUND_GRACE_H_
#define PACELINE_SERVER_PARTITION_ROUND_GRACE_H_

#include <cstdint>
#include <deque>
#include <vector>

#include "absl/time/time.h"

namespace paceline {

class RoundGrace {
 public:
  explicit RoundGrace(double factor) : factor_(factor) {}

  // Something new has come of a round of `leaves` data shards: the newest, or one that is over.
  void Arrived(absl::Time now, uint64_t round, uint64_t leaves);
  // The newest round is over.
  void Close();

  // Of the newest round. InfiniteFuture: nothing has come of it yet, or it is over.
  absl::Time end() const { return end_; }
  bool IsOver(absl::Time now) const { return now >= end_; }

  // Whether the grace has ended since the last call.
  bool OnTick(absl::Time now);
  // InfiniteFuture: not before another event.
  absl::Time next() const { return next_; }

 private:
  struct Round {
    uint64_t version = 0;
    absl::Time first;
    std::vector<absl::Duration> after;  // The first, as many as the round has data shards.
  };

  absl::Duration Length() const;

  double factor_;
  std::deque<Round> rounds_;  // The newest, ascending.
  absl::Time end_ = absl::InfiniteFuture();
  absl::Time next_ = absl::InfiniteFuture();
};

}  // namespace paceline

#endif  // PACELINE_SERVER_PARTITION_ROUND_GRACE_H_
