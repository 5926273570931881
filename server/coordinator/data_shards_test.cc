#include "server/coordinator/data_shards.h"

#include <catch2/catch.hpp>

namespace paceline {
namespace {

using Runs = std::vector<uint64_t>;

const absl::Time kStart = absl::FromUnixSeconds(1000);

// Ten data shards in runs of two: runs 0..4.
WorkPlan FiveRuns() { return WorkPlan(0, 10, 10, 2); }

AppliedMarks Marks(uint64_t below, std::vector<std::pair<uint64_t, uint64_t>> extents = {}) {
  v1::PartitionReport report;
  report.set_applied_below(below);
  for (const auto& [first, count] : extents) {
    v1::ShardExtent* extent = report.add_applied();
    extent->set_first(first);
    extent->set_count(count);
  }
  return AppliedMarks(report);
}

Runs Ask(DataShards* shards, const std::string& worker, size_t want,
         absl::Time now = kStart) {
  const Runs runs = shards->Choose(worker, want, now - absl::Seconds(1));
  shards->Grant(worker, runs, now);
  return runs;
}

TEST_CASE("nothing is granted before every partition has been heard") {
  DataShards shards(FiveRuns(), 0);

  CHECK(Ask(&shards, "a", 2).empty());
  CHECK_FALSE(shards.NoneLeft("a"));
}

TEST_CASE("runs are granted in ascending order, those of the dead first") {
  DataShards shards(FiveRuns(), 0);
  shards.Update({Marks(0)});

  CHECK(Ask(&shards, "a", 2) == Runs{0, 1});
  CHECK(Ask(&shards, "b", 1) == Runs{2});
  shards.Release("a");

  CHECK(Ask(&shards, "b", 3) == Runs{0, 1, 3});
  CHECK(Ask(&shards, "c", 3) == Runs{4});
}

TEST_CASE("all that is held can be granted again, to anybody, unless it is done") {
  DataShards shards(FiveRuns(), 0);
  shards.Update({Marks(0)});
  Ask(&shards, "a", 2);
  Ask(&shards, "b", 1);

  shards.ReleaseAll();
  shards.Update({Marks(2)});

  CHECK(shards.HeldBy("a") == Runs{});
  CHECK(Ask(&shards, "b", 3) == Runs{1, 2, 3});
}

TEST_CASE("a run is done when every partition has applied it") {
  DataShards shards(FiveRuns(), 0);
  shards.Update({Marks(0), Marks(0)});
  Ask(&shards, "a", 5);

  shards.Update({Marks(4), Marks(0, {{2, 2}, {8, 2}})});
  CHECK(shards.HeldBy("a") == Runs{0, 2, 3, 4});

  shards.Update({Marks(10), Marks(2, {{2, 8}})});
  CHECK(shards.HeldBy("a") == Runs{});
  CHECK(shards.NoneLeft("a"));
}

TEST_CASE("a worker is told that none is left only when it holds none") {
  DataShards shards(FiveRuns(), 0);
  shards.Update({Marks(0)});
  Ask(&shards, "a", 4);
  Ask(&shards, "b", 4);

  CHECK_FALSE(shards.NoneLeft("a"));
  CHECK(shards.NoneLeft("c"));
  shards.Release("b");
  CHECK_FALSE(shards.NoneLeft("c"));
}

TEST_CASE("a worker that lost the answer is granted its own runs again after a while") {
  DataShards shards(FiveRuns(), 0);
  shards.Update({Marks(0)});
  Ask(&shards, "a", 5);

  CHECK(Ask(&shards, "a", 2, kStart + absl::Milliseconds(900)).empty());
  CHECK(Ask(&shards, "b", 2, kStart + absl::Seconds(9)).empty());
  CHECK(Ask(&shards, "a", 2, kStart + absl::Seconds(1)) == Runs{0, 1});
}

TEST_CASE("what an earlier coordinator may have granted is granted again unless it is done") {
  DataShards shards(FiveRuns(), 4);
  shards.Update({Marks(2, {{4, 2}}), Marks(6)});

  CHECK(shards.next() == 4);
  // Run 1 (data shards 2 and 3) is missing in the first partition, run 3 in both.
  CHECK(Ask(&shards, "a", 5) == Runs{1, 3, 4});
}

TEST_CASE("an earlier coordinator's finished segment has nothing left") {
  DataShards shards(FiveRuns(), 5);
  shards.Update({Marks(10)});

  CHECK(shards.NoneLeft("a"));
}

TEST_CASE("nothing is granted at or above the limit") {
  DataShards shards(FiveRuns(), 0);
  shards.Update({Marks(0)});
  Ask(&shards, "a", 2);
  shards.SetLimit(3);

  CHECK(Ask(&shards, "b", 5) == Runs{2});
  CHECK(shards.NoneLeft("c"));
}

}  // namespace
}  // namespace paceline
