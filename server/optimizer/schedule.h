// The factor on a rule's learning rate over the steps of a partition.
//
// Units    step: 1 on the first. Factors are plain numbers in [0, 1].
// Errors   Create: InvalidArgument naming the field that is out of range.
// Threads  Immutable.
// Source   proto/job.proto, ScheduleSpec. A power, a cosine and a root made of IEEE operations
// only:
//          the same bits on every machine.
#ifndef PACELINE_SERVER_OPTIMIZER_SCHEDULE_H_
#define PACELINE_SERVER_OPTIMIZER_SCHEDULE_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "proto/job.pb.h"

namespace paceline {

class Schedule {
 public:
  // A message without a curve is constant.
  static absl::StatusOr<Schedule> Create(const v1::ScheduleSpec& spec);

  // step >= 1.
  double Factor(int64_t step) const;

 private:
  Schedule() = default;

  // The curve alone, at its own step 1, 2, ...
  double CurveFactor(uint64_t step) const;

  v1::ScheduleSpec::CurveCase curve_ = v1::ScheduleSpec::kConstant;
  uint64_t warmup_steps_ = 0;
  uint64_t period_steps_ = 1;  // step: every_steps; cosine: total_steps.
  double gamma_ = 1;           // step.
  double final_factor_ = 0;    // cosine.
};

}  // namespace paceline

#endif  // PACELINE_SERVER_OPTIMIZER_SCHEDULE_H_
