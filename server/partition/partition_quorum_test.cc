// quorum: rounds that are closed without everybody, and what becomes of those who come late.
#include <catch2/catch.hpp>
#include <limits>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "proto/parameter.pb.h"
#include "server/partition/partition.h"
#include "server/partition/partition_testing.h"

namespace paceline {
namespace {

constexpr uint64_t kLeaves = 4;

// Rounds of four data shards over `members` workers; sgd of rate 1 on two elements.
RigOptions Quorum(uint32_t workers, double carry_weight = 0, uint32_t members = 4) {
  RigOptions options;
  options.work = {2 * kLeaves, 20 * kLeaves, kLeaves, 1};
  options.consistency = QuorumSpec(workers, 3, carry_weight);
  options.roster = RosterOf(members);
  return options;
}

// Worker w1 has leaf 0, and so on.
uint64_t Bring(PartitionRig* rig, uint64_t round, uint64_t leaf, float gradient,
               uint32_t leaves = 1) {
  const std::string worker = "w" + std::to_string(leaf + 1);
  return rig->Exchange(
      rig->Header(worker, round, round * kLeaves + leaf, leaves, static_cast<double>(leaves)),
      {gradient, -gradient});
}

// Round `round` without its last leaf.
void CloseWithoutLast(PartitionRig* rig, uint64_t round, float gradient) {
  for (uint64_t leaf = 0; leaf + 1 < kLeaves; ++leaf) Bring(rig, round, leaf, gradient);
  rig->Tick(absl::Seconds(1));
  REQUIRE(rig->partition().version() == round + 1);
}

bool IsExtent(const std::vector<ShardExtent>& extents, uint64_t first, uint64_t count) {
  return extents.size() == 1 && extents[0].first == first && extents[0].count == count;
}

TEST_CASE("a quorum round that is whole is closed at once") {
  PartitionRig rig(Quorum(2));
  for (uint64_t leaf = 0; leaf < kLeaves; ++leaf) {
    Bring(&rig, 0, leaf, static_cast<float>(leaf));
  }
  CHECK(rig.Newest() == std::vector<float>{-1.5f, 1.5f});
  CHECK(rig.log()[0].dropped.empty());
  CHECK(rig.Report().shards_dropped() == 0);
  CHECK(rig.partition().NextTick() == absl::InfiniteFuture());
}

TEST_CASE("with enough workers in, a round is closed when the grace is over") {
  PartitionRig rig(Quorum(3));
  const uint64_t first = Bring(&rig, 0, 0, 1);
  CHECK(rig.partition().NextTick() == rig.now_ + absl::Seconds(1));
  rig.Tick(absl::Milliseconds(400));
  Bring(&rig, 0, 1, 2);
  Bring(&rig, 0, 2, 6);
  rig.Tick(absl::Milliseconds(599));
  CHECK(rig.IsParked(first));
  rig.Tick(absl::Milliseconds(1));

  // The mean of those that are there.
  CHECK(rig.ParametersOf(first) == std::vector<float>{-3, 3});
  CHECK(rig.Find(first)->header.version() == 1);
  CHECK_FALSE(rig.Find(first)->header.duplicate());
  CHECK(IsExtent(rig.log()[0].shards, 0, 4));
  CHECK(IsExtent(rig.log()[0].dropped, 3, 1));
  CHECK(rig.log()[0].weight == 3);
  CHECK(rig.Report().applied_below() == 4);
  CHECK(rig.Report().shards_dropped() == 1);
  CHECK(rig.Report().samples() == 3);
  CHECK(rig.partition().NextTick() == absl::InfiniteFuture());
}

TEST_CASE("the grace follows what is usual") {
  PartitionRig rig(Quorum(3));
  for (uint64_t round = 0; round < 3; ++round) {
    for (uint64_t leaf = 0; leaf < kLeaves; ++leaf) {
      Bring(&rig, round, leaf, 1);
      rig.now_ += absl::Milliseconds(10);
    }
  }
  // 0, 10, 20, 30 ms: median 15, MAD 10.
  for (uint64_t leaf = 0; leaf < 3; ++leaf) Bring(&rig, 3, leaf, 1);
  CHECK(rig.partition().NextTick() == rig.now_ + absl::Milliseconds(45));
  rig.Tick(absl::Milliseconds(45));
  CHECK(rig.partition().version() == 4);
}

TEST_CASE(
    "without enough workers a round waits beyond the grace, and is closed by who makes them") {
  PartitionRig rig(Quorum(3));
  Bring(&rig, 0, 0, 1);
  Bring(&rig, 0, 2, 3);
  rig.Tick(absl::Minutes(1));
  CHECK(rig.partition().version() == 0);
  CHECK(rig.partition().NextTick() == absl::InfiniteFuture());

  const uint64_t third = Bring(&rig, 0, 3, 5);
  CHECK(rig.ParametersOf(third) == std::vector<float>{-3, 3});
  CHECK(IsExtent(rig.log()[0].dropped, 1, 1));
}

TEST_CASE("a worker is in with all its data shards, and a quorum is never more than the roster") {
  // Two members with two leaves each; five are wanted.
  PartitionRig rig(Quorum(5, 0, 2));
  Bring(&rig, 0, 0, 1, 2);
  rig.Tick(absl::Minutes(1));
  CHECK(rig.partition().version() == 0);
  Bring(&rig, 0, 2, 1, 2);
  CHECK(rig.partition().version() == 1);

  // One of two is enough, but each has half only.
  PartitionRig half(Quorum(1, 0, 2));
  Bring(&half, 0, 0, 2);
  Bring(&half, 0, 2, 4);
  half.Tick(absl::Minutes(1));
  CHECK(half.partition().version() == 0);
  // With four members two have all of theirs.
  *half.directive().mutable_roster() = RosterOf(4, 2);
  CHECK(half.Direct().ok());
  CHECK(half.Newest() == std::vector<float>{-3, 3});
  CHECK(half.Report().shards_dropped() == 2);
}

TEST_CASE("without a roster nothing but the whole round closes it") {
  PartitionRig rig(Quorum(1, 0, 0));
  Bring(&rig, 0, 0, 1, 2);
  rig.Tick(absl::Minutes(1));
  CHECK(rig.partition().version() == 0);
  Bring(&rig, 0, 2, 1, 2);
  CHECK(rig.partition().version() == 1);
}

TEST_CASE("a wait for a quorum says who is missing and what would do") {
  PartitionRig rig(Quorum(3));
  Bring(&rig, 0, 0, 1);
  rig.now_ += absl::Milliseconds(900);
  CHECK(rig.Report().waits(0).what() ==
        "round 0: data shards 1..3 missing; 1 of 4 workers are in, the quorum is 3, the grace ends "
        "in 101 ms");
  CHECK(rig.Report().waits(0).on_size() == 3);
  rig.Tick(absl::Seconds(1));
  CHECK(rig.Report().waits(0).what() ==
        "round 0: data shards 1..3 missing; 1 of 4 workers are in, the quorum is 3, the grace is "
        "over");
}

TEST_CASE("what comes after its round is acknowledged, counted and not applied") {
  PartitionRig rig(Quorum(3));
  CloseWithoutLast(&rig, 0, 1);
  const uint64_t late = Bring(&rig, 0, 3, 100);
  REQUIRE_FALSE(rig.IsParked(late));
  CHECK(rig.Find(late)->header.duplicate());
  CHECK(rig.ParametersOf(late) == std::vector<float>{-1, 1});
  CHECK(rig.Report().pushes_duplicate() == 1);
  CHECK(rig.Report().shards_repeated() == 0);
  Bring(&rig, 0, 2, 100);  // It was in the round.
  CHECK(rig.Report().shards_repeated() == 1);

  for (uint64_t leaf = 0; leaf < kLeaves; ++leaf) Bring(&rig, 1, leaf, 1);
  CHECK(rig.Newest() == std::vector<float>{-2, 2});
  CHECK(rig.log()[1].carried.empty());
  CHECK(rig.Report().shards_dropped() == 1);
  CHECK(rig.Report().shards_carried() == 0);
}

TEST_CASE("whoever is more than a round behind is given the newest version") {
  PartitionRig rig(Quorum(3));
  for (uint64_t round = 0; round < 3; ++round) CloseWithoutLast(&rig, round, 1);
  const uint64_t late = Bring(&rig, 0, 3, 1);
  REQUIRE(rig.StatusOf(late).ok());
  CHECK(rig.Find(late)->header.version() == 3);
  CHECK(rig.ParametersOf(late) == std::vector<float>{-3, 3});
}

TEST_CASE("a late push is not acknowledged before the round that it missed is committed") {
  RigOptions options = Quorum(3);
  options.commits_at_once = false;
  PartitionRig rig(options);
  for (uint64_t leaf = 0; leaf < 3; ++leaf) Bring(&rig, 0, leaf, 1);
  rig.Tick(absl::Seconds(1));
  const uint64_t late = Bring(&rig, 0, 3, 1);
  CHECK(rig.IsParked(late));
  rig.CommitAll();
  CHECK(rig.Find(late)->header.duplicate());
}

TEST_CASE("a late push is carried into the next round with its weight, once") {
  PartitionRig rig(Quorum(3, 0.5));
  CloseWithoutLast(&rig, 0, 1);
  const uint64_t late = Bring(&rig, 0, 3, 5);
  CHECK(rig.Find(late)->header.duplicate());
  CHECK(rig.partition().version() == 1);
  Bring(&rig, 0, 3, 5);  // Again, while it waits for the round's end.

  for (uint64_t leaf = 0; leaf < kLeaves; ++leaf) Bring(&rig, 1, leaf, 0.5f);
  // (4 * 0.5 + 0.5 * 5) / (4 + 0.5) = 1.
  CHECK(rig.Newest() == std::vector<float>{-2, 2});
  CHECK(IsExtent(rig.log()[1].carried, 3, 1));
  CHECK(rig.log()[1].weight == 4.5);
  CHECK(rig.Report().samples() == 8);
  CHECK(rig.Report().shards_dropped() == 1);
  CHECK(rig.Report().shards_carried() == 1);

  Bring(&rig, 0, 3, 5);  // Again, when it is in the log.
  for (uint64_t leaf = 0; leaf < kLeaves; ++leaf) Bring(&rig, 2, leaf, 1);
  CHECK(rig.Newest() == std::vector<float>{-3, 3});
  CHECK(rig.Report().shards_carried() == 1);
}

TEST_CASE("several late pushes are carried together") {
  PartitionRig rig(Quorum(2, 1));
  Bring(&rig, 0, 0, 1);
  Bring(&rig, 0, 1, 1);
  rig.Tick(absl::Seconds(1));
  // Both leaves in one push, as two pieces.
  v1::PushHeader header = rig.Header("w3", 0, 2, 1);
  *header.add_pieces() = rig.Header("w3", 0, 3, 1).pieces(0);
  rig.Exchange(header, {2, 2, 8, 8});

  for (uint64_t leaf = 0; leaf < 2; ++leaf) Bring(&rig, 1, leaf, 1);
  rig.Tick(absl::Seconds(1));
  // (1 + 1 + 2 + 8) / 4 = 3.
  CHECK(rig.Newest()[0] == -4);
  CHECK(rig.log()[1].carried.size() == 2);
  CHECK(rig.Report().shards_dropped() == 4);
  CHECK(rig.Report().shards_carried() == 2);
}

TEST_CASE("a late sum that holds what is applied is not carried, nor is what is too old") {
  PartitionRig rig(Quorum(3, 1));
  CloseWithoutLast(&rig, 0, 1);
  Bring(&rig, 0, 2, 9, 2);  // Leaf 2 is in the round.
  for (uint64_t leaf = 0; leaf < kLeaves; ++leaf) Bring(&rig, 1, leaf, 1);
  CHECK(rig.Report().shards_carried() == 0);

  for (uint64_t round = 2; round < 9; ++round) {
    for (uint64_t leaf = 0; leaf < kLeaves; ++leaf) Bring(&rig, round, leaf, 1);
  }
  Bring(&rig, 0, 3, 9);
  for (uint64_t leaf = 0; leaf < kLeaves; ++leaf) Bring(&rig, 9, leaf, 1);
  CHECK(rig.Report().shards_carried() == 0);
  CHECK(rig.Newest()[0] == -10);
}

TEST_CASE("a late gradient that is not finite is refused where it would be carried") {
  PartitionRig rig(Quorum(3, 1));
  CloseWithoutLast(&rig, 0, 1);
  const uint64_t late = Bring(&rig, 0, 3, std::numeric_limits<float>::quiet_NaN());
  CHECK(absl::IsInvalidArgument(rig.StatusOf(late)));
  CHECK(rig.Report().pushes_invalid() == 1);
  Bring(&rig, 0, 3, 1);
  for (uint64_t leaf = 0; leaf < kLeaves; ++leaf) Bring(&rig, 1, leaf, 1);
  CHECK(rig.Newest()[0] == -2);
  CHECK(rig.Report().shards_carried() == 1);
}

TEST_CASE("a quorum round is settled as a whole one is; what it carries is carried once") {
  RigOptions options = Quorum(3, 1);
  options.optimizer.set_clip_global_norm(1000);
  PartitionRig rig(options);
  const uint64_t waits = Bring(&rig, 0, 0, 1);
  Bring(&rig, 0, 1, 1);
  Bring(&rig, 0, 2, 1);
  rig.Tick(absl::Seconds(1));
  REQUIRE(rig.Find(waits)->header.awaiting_norm());
  CHECK(rig.Find(waits)->header.square_norms(0) == 2);
  // Between its end and its norm it takes nothing more.
  const uint64_t late = Bring(&rig, 0, 3, 5);
  CHECK(rig.Find(late)->header.awaiting_norm());
  CHECK(rig.Find(late)->header.duplicate());
  rig.Settle(0, 2);
  CHECK(rig.Newest()[0] == -1);

  Bring(&rig, 0, 3, 5);
  for (uint64_t leaf = 0; leaf < kLeaves; ++leaf) Bring(&rig, 1, leaf, 0);
  // In a round that is closed and not yet in the log.
  Bring(&rig, 0, 3, 5);
  rig.Settle(1, 2);
  CHECK(rig.Newest()[0] == -2);
  for (uint64_t leaf = 0; leaf < kLeaves; ++leaf) Bring(&rig, 2, leaf, 0);
  rig.Settle(2, 0);
  CHECK(rig.Newest()[0] == -2);
  CHECK(rig.Report().shards_carried() == 1);
}

TEST_CASE("nobody is asked for help with a quorum round") {
  PartitionRig rig(Quorum(4));
  v1::PushHeader header = rig.Header("w1", 0, 0, 2);
  header.set_offers_help(true);
  const uint64_t call = rig.Exchange(header, {1, 1});
  rig.Tick(absl::Minutes(1));
  CHECK(rig.IsParked(call));
}

TEST_CASE("a change of mode ends what is open and what would be carried") {
  PartitionRig rig(Quorum(3, 1));
  CloseWithoutLast(&rig, 0, 1);
  Bring(&rig, 0, 3, 100);
  v1::Segment* const segment = rig.directive().mutable_segment();
  segment->set_index(1);
  segment->set_first_version(1);
  segment->set_first_shard(4);
  *segment->mutable_consistency() = SyncSpec();
  REQUIRE(rig.Direct().ok());
  for (uint64_t leaf = 0; leaf < kLeaves; ++leaf) Bring(&rig, 1, leaf, 1);
  CHECK(rig.Newest()[0] == -2);
  CHECK(rig.log()[1].carried.empty());
  CHECK(rig.Report().shards_dropped() == 1);
}

}  // namespace
}  // namespace paceline
