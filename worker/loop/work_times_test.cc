#include "worker/loop/work_times.h"

#include <catch2/catch.hpp>

namespace paceline {
namespace {

const absl::Time kStart = absl::UnixEpoch();

absl::Time After(int seconds) { return kStart + absl::Seconds(seconds); }

TEST_CASE("time is counted by kind, from the first call on") {
  WorkTimes times;
  times.Count(After(100), WorkTimes::Kind::kCompute);
  times.Count(After(103), WorkTimes::Kind::kCompute);
  times.Count(After(104), WorkTimes::Kind::kNone);
  times.Count(After(102), WorkTimes::Kind::kWait);

  v1::WorkerJobReport report;
  times.FillIn(After(106), WorkTimes::Kind::kWait, &report);

  CHECK(report.compute_s() == 3);
  CHECK(report.wait_s() == 2);
  CHECK(report.transfer_s() == 0);
  CHECK(times.counted() == After(104));
}

TEST_CASE("what partitions kept an operation waiting for is no transfer") {
  WorkTimes times;
  times.Count(kStart, WorkTimes::Kind::kNone);
  times.Count(After(2), WorkTimes::Kind::kWait);
  times.Transferred(absl::Seconds(2), absl::ZeroDuration());
  times.Count(After(9), WorkTimes::Kind::kWait);
  times.Transferred(absl::Seconds(7), absl::Seconds(4));
  times.Count(After(14), WorkTimes::Kind::kWait);
  // Some of that while computing.
  times.Transferred(absl::Seconds(5), absl::Seconds(6));

  v1::WorkerJobReport report;
  times.FillIn(After(14), WorkTimes::Kind::kWait, &report);

  // 2 + 3 of the 7.
  CHECK(report.transfer_s() == 5);
  CHECK(report.wait_s() == 9);
}

}  // namespace
}  // namespace paceline
