#include "server/optimizer/schedule.h"

#include <cmath>

#include "common/base/check.h"
#include "server/optimizer/integer_power.h"
#include "server/optimizer/range_check.h"

namespace paceline {
namespace {

// sin(x) for x in [0, pi / 4] by its Taylor series; the first term left out is below 1e-19.
double SinOfSmall(double x) {
  const double square = x * x;
  double sum = 0;
  for (int k = 17; k >= 3; k -= 2) sum = (1 - sum) * square / (k * (k - 1));
  return x * (1 - sum);
}

// (1 + cos(pi x)) / 2 for x in [0, 1], as 1 - sin^2(pi x / 2) below a half and its mirror above:
// exactly 1 at 0 and 0 at 1.
double HalfCosine(double x) {
  constexpr double kHalfPi = 1.57079632679489661923;
  const double sine = SinOfSmall(kHalfPi * (x <= 0.5 ? x : 1 - x));
  return x <= 0.5 ? 1 - sine * sine : sine * sine;
}

}  // namespace

absl::StatusOr<Schedule> Schedule::Create(const v1::ScheduleSpec& spec) {
  Schedule schedule;
  schedule.warmup_steps_ = spec.warmup_steps();
  if (spec.curve_case() == v1::ScheduleSpec::kStep) {
    RangeCheck check("optimizer.schedule.step");
    schedule.period_steps_ = spec.step().every_steps();
    check.AtLeastOne("every_steps", spec.step().every_steps() >= 1);
    schedule.gamma_ = check.PositiveToOne("gamma", spec.step().has_gamma(), spec.step().gamma());
    if (!check.status().ok()) return check.status();
  }
  if (spec.curve_case() == v1::ScheduleSpec::kCosine) {
    RangeCheck check("optimizer.schedule.cosine");
    schedule.period_steps_ = spec.cosine().total_steps();
    check.AtLeastOne("total_steps", spec.cosine().total_steps() >= 1);
    schedule.final_factor_ = check.ZeroToOne("final_factor", spec.cosine().has_final_factor(),
                                             spec.cosine().final_factor());
    if (!check.status().ok()) return check.status();
  }
  if (spec.curve_case() != v1::ScheduleSpec::CURVE_NOT_SET) schedule.curve_ = spec.curve_case();
  return schedule;
}

double Schedule::Factor(int64_t step) const {
  PACELINE_CHECK(step >= 1);
  const uint64_t t = static_cast<uint64_t>(step);
  if (t <= warmup_steps_) return static_cast<double>(t) / static_cast<double>(warmup_steps_);
  return CurveFactor(t - warmup_steps_);
}

double Schedule::CurveFactor(uint64_t step) const {
  const double t = static_cast<double>(step);
  switch (curve_) {
    case v1::ScheduleSpec::kStep:
      return IntegerPower(gamma_, (step - 1) / period_steps_);
    case v1::ScheduleSpec::kCosine: {
      if (step > period_steps_) return final_factor_;
      const double x = (t - 1) / static_cast<double>(period_steps_);
      return final_factor_ + (1 - final_factor_) * HalfCosine(x);
    }
    case v1::ScheduleSpec::kInverseSqrt: {
      if (warmup_steps_ == 0) return 1 / std::sqrt(t);
      const double w = static_cast<double>(warmup_steps_);
      return std::sqrt(w / (w + t));
    }
    case v1::ScheduleSpec::kConstant:
    case v1::ScheduleSpec::CURVE_NOT_SET:
      break;
  }
  return 1;
}

}  // namespace paceline
