// sync: a round that is late asks those that wait for help.
#include <catch2/catch.hpp>
#include <vector>

#include "absl/time/time.h"
#include "server/partition/partition.h"
#include "server/partition/partition_testing.h"

namespace paceline {
namespace {

constexpr uint64_t kLeaves = 4;

// Rounds of four data shards over two workers.
PartitionRig Rounds(bool commits_at_once = true) {
  RigOptions options;
  options.commits_at_once = commits_at_once;
  options.work = {2 * kLeaves, 10 * kLeaves, kLeaves, 1};
  options.consistency = SyncSpec();
  return PartitionRig(options);
}

v1::PushHeader Push(const PartitionRig& rig, const std::string& worker, uint64_t round,
                    uint64_t leaf, uint32_t leaves, bool offers_help) {
  v1::PushHeader header = rig.Header(worker, round, round * kLeaves + leaf, leaves);
  header.set_offers_help(offers_help);
  return header;
}

std::vector<uint64_t> MissingIn(const Answer* answer) {
  REQUIRE(answer != nullptr);
  CHECK(answer->status.ok());
  CHECK(answer->parameters == nullptr);
  return {answer->header.missing().begin(), answer->header.missing().end()};
}

// Closes the first round, so that the second one has a beginning; then half of that arrives after
// 100 ms. Returns the call.
uint64_t HalfARound(PartitionRig* rig, bool offers_help) {
  rig->Exchange(Push(*rig, "w1", 0, 0, 4, false), {1, 1});
  rig->now_ += absl::Milliseconds(100);
  return rig->Exchange(Push(*rig, "w1", 1, 0, 2, offers_help), {2, 2});
}

TEST_CASE("a late round tells an exchange that offers help what it lacks") {
  PartitionRig rig = Rounds();
  const uint64_t call = HalfARound(&rig, true);
  CHECK(rig.partition().NextTick() == rig.now_ + absl::Milliseconds(50));

  rig.Tick(absl::Milliseconds(49));
  CHECK(rig.IsParked(call));
  rig.Tick(absl::Milliseconds(1));

  CHECK(MissingIn(rig.Find(call)) == std::vector<uint64_t>{6, 7});
  CHECK(rig.Find(call)->header.version() == 1);
}

TEST_CASE("nobody is told who does not offer, nor while less than half has arrived") {
  PartitionRig rig = Rounds();
  const uint64_t call = HalfARound(&rig, false);
  rig.Tick(absl::Seconds(1));
  CHECK(rig.IsParked(call));

  PartitionRig early = Rounds();
  const uint64_t first = early.Exchange(Push(early, "w1", 0, 0, 1, true), {1, 1});
  CHECK(early.partition().NextTick() == absl::InfiniteFuture());
  early.Tick(absl::Seconds(1));
  CHECK(early.IsParked(first));
}

TEST_CASE("as many are told as data shards are missing, others only when it is later still") {
  PartitionRig rig = Rounds();
  const uint64_t first = HalfARound(&rig, true);
  const uint64_t second = rig.Pull(2, 0, true);
  const uint64_t third = rig.Pull(2, 0, true);

  rig.Tick(absl::Milliseconds(50));
  CHECK_FALSE(rig.IsParked(first));
  CHECK_FALSE(rig.IsParked(second));
  CHECK(rig.IsParked(third));

  rig.Tick(absl::Milliseconds(50));
  CHECK(MissingIn(rig.Find(third)) == std::vector<uint64_t>{6, 7});
}

TEST_CASE("an offer that comes to a round that is late already is answered at once") {
  PartitionRig rig = Rounds();
  HalfARound(&rig, true);
  rig.Tick(absl::Milliseconds(50));

  CHECK(MissingIn(rig.Find(rig.Pull(2, 0, true))) == std::vector<uint64_t>{6, 7});
  CHECK(rig.IsParked(rig.Pull(2)));
}

TEST_CASE("what a helper computes counts once; the late worker is told that it had come") {
  PartitionRig rig = Rounds();
  HalfARound(&rig, true);
  rig.Tick(absl::Milliseconds(50));
  const uint64_t waits = rig.Pull(2);

  rig.Push(Push(rig, "w1", 1, 2, 1, false), {4, 4});
  // The late worker brings a sum that holds what the helper had.
  const uint64_t late = rig.Exchange(Push(rig, "w2", 1, 2, 2, true), {12, 12});
  CHECK_FALSE(rig.IsParked(waits));
  CHECK_FALSE(rig.Find(late)->header.duplicate());
  CHECK(rig.Report().shards_repeated() == 1);
  const uint64_t again = rig.Exchange(Push(rig, "w1", 1, 3, 1, true), {8, 8});

  CHECK(rig.Find(again)->header.duplicate());
  CHECK(rig.Find(again)->header.missing().empty());
  CHECK(rig.Find(again)->header.version() == 2);
  CHECK(rig.Report().shards_repeated() == 2);
  // Rate 1, weights 1 each: round 0 took 1 / 1, round 1 (2 + 12) / 2.
  CHECK(rig.Newest() == std::vector<float>{-8, -8});
  CHECK(rig.partition().NextTick() == absl::InfiniteFuture());
}

TEST_CASE("a round that waits to be appended lacks nothing") {
  PartitionRig rig = Rounds(/*commits_at_once=*/false);
  rig.Exchange(Push(rig, "w1", 0, 0, 2, false), {1, 1});
  const uint64_t offer = rig.Exchange(Push(rig, "w2", 0, 2, 2, true), {1, 1});

  rig.Tick(absl::Seconds(1));
  CHECK(rig.IsParked(offer));
  rig.CommitAll();
  CHECK(rig.Find(offer)->parameters != nullptr);
}

}  // namespace
}  // namespace paceline
