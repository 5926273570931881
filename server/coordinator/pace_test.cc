#include "server/coordinator/pace.h"

#include <catch2/catch.hpp>
#include <limits>

namespace paceline {
namespace {

v1::WorkerJobReport Report(uint64_t samples, double compute_s) {
  v1::WorkerJobReport report;
  report.set_samples(samples);
  report.set_compute_s(compute_s);
  return report;
}

TEST_CASE("a clock holds as many runs as the worker is times faster than the slowest") {
  const auto fast = Report(1000, 1);
  const auto slow = Report(208, 1);  // 1000 / 208 = 4.8
  const auto middle = Report(300, 1);

  CHECK(RunsPerClock(fast, {&fast, &slow, &middle}) == 5);
  CHECK(RunsPerClock(middle, {&fast, &slow, &middle}) == 1);  // 1.44
  CHECK(RunsPerClock(slow, {&fast, &slow, &middle}) == 1);
  CHECK(RunsPerClock(fast, {&fast}) == 1);
}

TEST_CASE("a worker that has hardly worked neither gets more nor slows others") {
  const auto fast = Report(1000, 1);
  const auto fresh = Report(0, 0.05);

  CHECK(RunsPerClock(fast, {&fast, &fresh}) == 1);
  CHECK(RunsPerClock(fresh, {&fast, &fresh}) == 1);
}

TEST_CASE("reports that make no sense do no harm") {
  const auto fast = Report(1000000, 0.1);
  const auto crawl = Report(1, 1e9);
  const auto nonsense = Report(5, std::numeric_limits<double>::quiet_NaN());

  CHECK(RunsPerClock(fast, {&fast, &crawl}) == 64);
  CHECK(RunsPerClock(fast, {&fast, &nonsense}) == 1);
  CHECK(RunsPerClock(nonsense, {&fast, &nonsense}) == 1);
}

}  // namespace
}  // namespace paceline
