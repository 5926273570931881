// How a worker's time splits into computing, waiting and moving bytes, from the times of its
// events.
//
// Threads  One object, one thread.
#ifndef PACELINE_WORKER_LOOP_WORK_TIMES_H_
#define PACELINE_WORKER_LOOP_WORK_TIMES_H_

#include "absl/time/time.h"
#include "proto/control.pb.h"

namespace paceline {

class WorkTimes {
 public:
  enum class Kind { kNone, kCompute, kWait };

  // All until `now` since the last call, whose time is not later, was of one kind.
  void Count(absl::Time now, Kind kind);

  // The time up to which all is counted.
  absl::Time counted() const { return counted_; }

  absl::Duration waited() const { return wait_; }

  // `passed` of the waiting so far was an operation on the parameters, which partitions kept waiting
  // for `held`: the rest of it was transfer.
  void Transferred(absl::Duration passed, absl::Duration held);

  // Fills in the three times as if Count(now, kind) had been called.
  void FillIn(absl::Time now, Kind kind, v1::WorkerJobReport* report) const;

 private:
  absl::Time counted_ = absl::InfinitePast();
  absl::Duration compute_ = absl::ZeroDuration();
  absl::Duration wait_ = absl::ZeroDuration();
  absl::Duration transfer_ = absl::ZeroDuration();
};

}  // namespace paceline

#endif  // PACELINE_WORKER_LOOP_WORK_TIMES_H_
