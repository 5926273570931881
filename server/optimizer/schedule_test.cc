#include "server/optimizer/schedule.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <string>

#include "absl/status/status.h"

namespace paceline {
namespace {

Schedule Make(const v1::ScheduleSpec& spec) {
  const auto schedule = Schedule::Create(spec);
  REQUIRE(schedule.ok());
  return *schedule;
}

void CheckRefused(const v1::ScheduleSpec& spec, const std::string& field) {
  INFO(field);
  const absl::Status status = Schedule::Create(spec).status();
  CHECK(absl::IsInvalidArgument(status));
  CHECK_THAT(std::string(status.message()), Catch::Contains(field));
}

TEST_CASE("without a curve the factor is 1 at every step") {
  v1::ScheduleSpec spec;
  CHECK(Make(spec).Factor(1) == 1);
  CHECK(Make(spec).Factor(std::numeric_limits<int64_t>::max()) == 1);
  spec.mutable_constant();
  CHECK(Make(spec).Factor(17) == 1);
}

TEST_CASE("a warm-up climbs by 1 / warmup_steps a step, then the curve starts at its step 1") {
  v1::ScheduleSpec spec;
  spec.set_warmup_steps(4);
  spec.mutable_step()->set_every_steps(2);
  spec.mutable_step()->set_gamma(0.5);
  const Schedule schedule = Make(spec);

  // t / 4 for t = 1..4; then 0.5 ^ floor((t - 4 - 1) / 2).
  const double expected[] = {0.25, 0.5, 0.75, 1, 1, 1, 0.5, 0.5, 0.25, 0.25, 0.125};
  for (int t = 1; t <= 11; ++t) CHECK(schedule.Factor(t) == expected[t - 1]);
}

TEST_CASE("a step curve multiplies by gamma every so many steps and fades to 0 without end") {
  v1::ScheduleSpec spec;
  spec.mutable_step()->set_every_steps(10);
  spec.mutable_step()->set_gamma(0.1);
  const Schedule schedule = Make(spec);

  CHECK(schedule.Factor(10) == 1);
  CHECK(schedule.Factor(11) == 0.1);
  CHECK(schedule.Factor(21) == Approx(0.01).epsilon(1e-15));
  CHECK(schedule.Factor(171) == Approx(1e-17).epsilon(1e-14));
  CHECK(schedule.Factor(std::numeric_limits<int64_t>::max()) == 0);
}

TEST_CASE("a cosine falls from 1 to final_factor and stays there") {
  v1::ScheduleSpec spec;
  spec.mutable_cosine()->set_total_steps(6);
  spec.mutable_cosine()->set_final_factor(0);
  const Schedule schedule = Make(spec);

  // (1 + cos(pi k / 6)) / 2 for k = 0..6: cos is 1, sqrt(3)/2, 1/2, 0, -1/2, -sqrt(3)/2, -1.
  const double half_root3 = std::sqrt(3.0) / 2;
  const double expected[] = {1, (1 + half_root3) / 2, 0.75, 0.5, 0.25, (1 - half_root3) / 2, 0, 0,
                             0};
  for (int t = 1; t <= 9; ++t) {
    INFO(t);
    CHECK(schedule.Factor(t) == Approx(expected[t - 1]).margin(2e-16).epsilon(0));
  }
  CHECK(schedule.Factor(1) == 1);
  CHECK(schedule.Factor(7) == 0);
}

TEST_CASE("a cosine is the library's cosine to the last places, over its whole length") {
  v1::ScheduleSpec spec;
  spec.mutable_cosine()->set_total_steps(1000);
  spec.mutable_cosine()->set_final_factor(0.1);
  const Schedule schedule = Make(spec);
  for (int t = 1; t <= 1100; ++t) {
    const double x = std::min(1.0, (t - 1) / 1000.0);
    const double expected = 0.1 + 0.9 * (1 + std::cos(3.14159265358979323846 * x)) / 2;
    REQUIRE(schedule.Factor(t) == Approx(expected).epsilon(1e-15));
  }
  CHECK(schedule.Factor(1001) == 0.1);
}

TEST_CASE("an inverse square root starts at 1, or goes on from where the warm-up ends") {
  v1::ScheduleSpec spec;
  spec.mutable_inverse_sqrt();
  CHECK(Make(spec).Factor(1) == 1);
  CHECK(Make(spec).Factor(4) == 0.5);
  CHECK(Make(spec).Factor(100) == 0.1);

  spec.set_warmup_steps(3);
  // Step 3 is the warm-up's last; at step 12 the curve is at its step 9: sqrt(3 / (3 + 9)).
  CHECK(Make(spec).Factor(3) == 1);
  CHECK(Make(spec).Factor(12) == 0.5);
}

TEST_CASE("a schedule out of range is refused by the field's name") {
  v1::ScheduleSpec spec;
  spec.mutable_step()->set_gamma(0.5);
  CheckRefused(spec, "optimizer.schedule.step.every_steps");
  spec.mutable_step()->set_every_steps(1);
  for (const double gamma : {0.0, -0.5, 1.5, std::nan(""), HUGE_VAL}) {
    spec.mutable_step()->set_gamma(gamma);
    CheckRefused(spec, "optimizer.schedule.step.gamma");
  }
  spec.mutable_step()->clear_gamma();
  CheckRefused(spec, "optimizer.schedule.step.gamma is not set");

  spec.mutable_cosine()->set_final_factor(0);
  CheckRefused(spec, "optimizer.schedule.cosine.total_steps");
  spec.mutable_cosine()->set_total_steps(1);
  for (const double factor : {-0.1, 1.1, std::nan("")}) {
    spec.mutable_cosine()->set_final_factor(factor);
    CheckRefused(spec, "optimizer.schedule.cosine.final_factor");
  }
  spec.mutable_cosine()->clear_final_factor();
  CheckRefused(spec, "optimizer.schedule.cosine.final_factor is not set");
}

}  // namespace
}  // namespace paceline
