#include "worker/loop/work_times.h"

#include <algorithm>

namespace paceline {

void WorkTimes::Count(absl::Time now, Kind kind) {
  if (now <= counted_) return;
  const absl::Duration passed =
      counted_ == absl::InfinitePast() ? absl::ZeroDuration() : now - counted_;
  counted_ = now;
  if (kind == Kind::kCompute) compute_ += passed;
  if (kind == Kind::kWait) wait_ += passed;
}

void WorkTimes::Transferred(absl::Duration passed, absl::Duration held) {
  const absl::Duration moved = std::max(absl::ZeroDuration(), passed - held);
  transfer_ += moved;
  wait_ -= moved;
}

void WorkTimes::FillIn(absl::Time now, Kind kind, v1::WorkerJobReport* report) const {
  WorkTimes until = *this;
  until.Count(now, kind);
  report->set_compute_s(absl::ToDoubleSeconds(until.compute_));
  report->set_wait_s(absl::ToDoubleSeconds(until.wait_));
  report->set_transfer_s(absl::ToDoubleSeconds(until.transfer_));
}

}  // namespace paceline
