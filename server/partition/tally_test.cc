#include "server/partition/tally.h"

#include <catch2/catch.hpp>

namespace paceline {
namespace {

TEST_CASE("a report holds what was counted") {
  Tally tally;
  for (const uint64_t staleness : {0, 0, 1, 3, 4, 7, 8}) tally.Taken(staleness);
  LogEntry entry;
  entry.samples = 32;
  entry.loss_sum = 1.5;
  entry.correct = 20;
  tally.Applied(entry);
  tally.Applied(entry);
  tally.Duplicate();
  tally.RefusedStale();
  tally.Damped();
  CHECK(tally.Invalid("w1", "no pieces"));
  CHECK_FALSE(tally.Invalid("w2", "NaN"));
  tally.ReadAt(3);
  tally.ReadAt(2);

  v1::PartitionReport report;
  tally.FillIn(&report);

  CHECK(report.samples() == 64);
  CHECK(report.loss_sum() == 3);
  CHECK(report.correct() == 40);
  CHECK(report.pushes_applied() == 7);
  REQUIRE(report.staleness_size() == 5);
  CHECK(report.staleness(0) == 2);
  CHECK(report.staleness(1) == 1);
  CHECK(report.staleness(2) == 1);  // 2, 3.
  CHECK(report.staleness(3) == 2);  // 4 to 7.
  CHECK(report.staleness(4) == 1);  // 8 to 15.
  CHECK(report.staleness_max() == 8);
  CHECK(report.pushes_duplicate() == 1);
  CHECK(report.pushes_refused_stale() == 1);
  CHECK(report.pushes_damped() == 1);
  CHECK(report.pushes_invalid() == 2);
  CHECK(report.last_invalid() == "w2: NaN");
  CHECK(report.lead_max() == 3);
}

}  // namespace
}  // namespace paceline
