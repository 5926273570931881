// How far the store lets a segment be granted: so far ahead of what is granted that granting goes
// on for a minute when the store cannot be written.
//
// A coordinator that starts anew takes everything reserved for granted, so no more is reserved than
// that.
//
// Units    Rounds (sync) or runs (ssp, async) of one segment.
// Threads  One object, one thread.
// Source   docs/protocol.md, "When the store is away".
#ifndef PACELINE_SERVER_COORDINATOR_RESERVATION_H_
#define PACELINE_SERVER_COORDINATOR_RESERVATION_H_

#include <cstdint>
#include <optional>

#include "absl/time/time.h"

namespace paceline {

class Reservation {
 public:
  // All below `granted` is about to be granted: the pace. Never decreases.
  void OnGrant(absl::Time now, uint64_t granted);

  // What to reserve now that all below `granted` is to be granted, and all below `reserved` is
  // reserved, of `size`; nothing: that is enough.
  std::optional<uint64_t> Next(uint64_t granted, uint64_t reserved, uint64_t size) const;

 private:
  uint64_t Ahead() const;

  bool begun_ = false;
  absl::Time since_;  // Begin of the time over which the pace is measured,
  uint64_t from_ = 0;  // and what was granted then.
  uint64_t granted_ = 0;
  double seconds_ = 0;  // Of it so far.
  double rate_ = 0;     // Per second, of the last such time; halves at most.
};

}  // namespace paceline

#endif  // PACELINE_SERVER_COORDINATOR_RESERVATION_H_
