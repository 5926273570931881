#include "server/partition/tally.h"

#include <catch2/catch.hpp>

namespace paceline {
namespace {

TEST_CASE("a report holds what was counted") {
  Tally tally(0);
  LogEntry round;
  round.pushes = 2;
  round.samples = 32;
  round.loss_sum = 1.5;
  round.correct = 20;
  tally.Applied(round);
  for (const uint64_t staleness : {1, 3, 4, 7, 8}) {
    LogEntry push;
    push.staleness = staleness;
    push.samples = 2;
    push.damped = staleness == 8;
    tally.Applied(push);
  }
  tally.Duplicate();
  tally.RefusedStale();
  CHECK(tally.Invalid("w1", "no pieces"));
  CHECK_FALSE(tally.Invalid("w2", "NaN"));
  tally.ReadAt(3);
  tally.ReadAt(2);

  v1::PartitionReport report;
  tally.FillInEntries(&report);
  tally.FillInLocal(&report);

  CHECK(report.samples() == 42);
  CHECK(report.loss_sum() == 1.5);
  CHECK(report.correct() == 20);
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

TEST_CASE("each epoch's data shards are summed apart, the newest four kept") {
  Tally tally(10);
  LogEntry entry;
  entry.samples = 32;
  entry.loss_sum = 16;
  entry.correct = 8;
  for (const uint64_t first : {5u, 8u, 12u, 9u, 25u, 31u, 44u}) {
    entry.shards = {{first, 1}};
    tally.Applied(entry);
  }
  v1::PartitionReport report;

  tally.FillInEntries(&report);
  tally.FillInLocal(&report);

  // Epoch 0 (three entries) has gone; 1, 2, 3 and 4 have one entry each.
  REQUIRE(report.epochs_size() == 4);
  CHECK(report.epochs(0).epoch() == 1);
  CHECK(report.epochs(0).samples() == 32);
  CHECK(report.epochs(3).epoch() == 4);
  CHECK(report.epochs(3).loss_sum() == 16);
  CHECK(report.epochs(3).correct() == 8);
}

TEST_CASE("what entries made survives in another copy, the rest does not") {
  Tally tally(10);
  LogEntry entry;
  entry.samples = 32;
  entry.loss_sum = 1.5;
  entry.staleness = 5;
  entry.damped = true;
  entry.shards = {{12, 1}};
  tally.Applied(entry);
  v1::PartitionReport entries;
  tally.FillInEntries(&entries);
  tally.Duplicate();
  tally.Invalid("w1", "NaN");

  auto other = Tally::Restore(10, entries);

  REQUIRE(other.ok());
  v1::PartitionReport report;
  other->FillInEntries(&report);
  other->FillInLocal(&report);
  CHECK(report.SerializeAsString() == entries.SerializeAsString());
  CHECK(report.pushes_applied() == 1);
  CHECK(report.epochs(0).samples() == 32);
  for (int i = 0; i < 80; ++i) entries.add_staleness(1);
  CHECK(absl::IsInvalidArgument(Tally::Restore(10, entries).status()));
}

}  // namespace
}  // namespace paceline
