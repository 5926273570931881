// When a synchronous round is late, so that workers that wait for it should help with what it
// lacks.
//
// A round is late once it has been open for half as long again as half of its data shards took to
// arrive, and at least 20 ms longer than those. Then as many offers of help are taken as it lacks
// data shards; as many again, should it still be open, after the same time, then after twice that,
// and so on: a helper may be slow or dead itself.
//
// Threads  One thread at a time.
// Source   docs/protocol.md, "Stragglers".
#ifndef PACELINE_SERVER_PARTITION_LATE_ROUND_H_
#define PACELINE_SERVER_PARTITION_LATE_ROUND_H_

#include <cstdint>

#include "absl/time/time.h"

namespace paceline {

class LateRound {
 public:
  // A round begins.
  void Open(absl::Time now);
  // Half of its data shards have arrived. Only the first call in a round counts.
  void HalfArrived(absl::Time now);
  // It is complete, or nobody waits for it any more.
  void Close();

  // Whether the round, which lacks `missing` data shards, is late, or so much later that more
  // help is wanted.
  bool OnTick(absl::Time now, uint64_t missing);
  // InfiniteFuture: not before another event.
  absl::Time next() const { return next_; }

  // Whether another offer of help may be taken; one was.
  bool wants_help() const { return wanted_ > 0; }
  void Helped() { --wanted_; }

 private:
  absl::Time opened_ = absl::InfiniteFuture();
  absl::Time next_ = absl::InfiniteFuture();
  absl::Duration patience_;
  bool half_arrived_ = false;
  uint64_t wanted_ = 0;
};

}  // namespace paceline

#endif  // PACELINE_SERVER_PARTITION_LATE_ROUND_H_
