#include "server/partition/dedupe.h"

#include <catch2/catch.hpp>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"

namespace paceline {
namespace {

using Overlap = ShardSet::Overlap;

LogEntry PushOf(const std::string& worker, uint64_t incarnation, uint64_t clock,
                std::vector<ShardExtent> shards = {}) {
  LogEntry entry;
  entry.kind = LogEntry::Kind::kPush;
  entry.worker = worker;
  entry.incarnation = incarnation;
  entry.clock = clock;
  entry.shards = std::move(shards);
  return entry;
}

TEST_CASE("a set of data shards answers as a plain set of numbers does") {
  // Every extent of [0, 12) added in a scrambled order, compared after each.
  ShardSet set;
  std::set<uint64_t> plain;
  uint64_t state = 1;
  for (int step = 0; step < 12; ++step) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    const ShardExtent added{(state >> 33) % 12, (state >> 50) % 3};
    set.Add(added);
    for (uint64_t i = 0; i < added.count; ++i) plain.insert(added.first + i);

    for (uint64_t first = 0; first < 15; ++first) {
      for (uint64_t count = 1; count < 8; ++count) {
        uint64_t inside = 0;
        for (uint64_t i = first; i < first + count; ++i) inside += plain.count(i);
        const Overlap wanted = inside == 0       ? Overlap::kNone
                               : inside == count ? Overlap::kAll
                                                 : Overlap::kSome;
        CHECK(set.Classify({first, count}) == wanted);
      }
    }
    uint64_t below = 0;
    while (plain.count(below) > 0) ++below;
    CHECK(set.below() == below);
  }
}

TEST_CASE("extents join each other and the mark") {
  ShardSet set;
  set.Add({4, 2});
  set.Add({8, 2});
  REQUIRE(set.extents().size() == 2);
  CHECK(set.below() == 0);

  set.Add({6, 2});
  REQUIRE(set.extents().size() == 1);
  CHECK(set.extents()[0].first == 4);
  CHECK(set.extents()[0].count == 6);

  set.Add({0, 4});
  CHECK(set.below() == 10);
  CHECK(set.extents().empty());
}

TEST_CASE("data shards are new, then appended, then applied; a part of each is mixed") {
  Dedupe dedupe;
  REQUIRE(dedupe.Meet("w1", 1).ok());
  const LogEntry entry = PushOf("w1", 1, 0, {{2, 2}});
  CHECK(dedupe.ClassifyShards({{2, 2}}) == Seen::kNew);

  dedupe.Appended(entry);
  CHECK(dedupe.ClassifyShards({{2, 2}}) == Seen::kAppended);
  CHECK(dedupe.ClassifyShards({{3, 1}}) == Seen::kAppended);
  CHECK_FALSE(dedupe.Clock("w1", 1).has_value());

  dedupe.Applied(entry);
  CHECK(dedupe.ClassifyShards({{2, 2}}) == Seen::kApplied);
  CHECK(dedupe.ClassifyShards({{1, 2}}) == Seen::kMixed);
  CHECK(dedupe.ClassifyShards({{2, 1}, {5, 1}}) == Seen::kMixed);
  CHECK(dedupe.ClassifyShards({{0, 2}}) == Seen::kNew);
  CHECK(dedupe.Clock("w1", 1) == 0u);
}

TEST_CASE("without data shards a push is known by worker, incarnation and clock") {
  Dedupe dedupe;
  REQUIRE(dedupe.Meet("w1", 1).ok());
  CHECK(dedupe.ClassifyClock("w1", 1, 0) == Seen::kNew);

  dedupe.Appended(PushOf("w1", 1, 3));
  CHECK(dedupe.ClassifyClock("w1", 1, 3) == Seen::kAppended);
  dedupe.Applied(PushOf("w1", 1, 3));
  CHECK(dedupe.ClassifyClock("w1", 1, 2) == Seen::kApplied);
  CHECK(dedupe.ClassifyClock("w1", 1, 4) == Seen::kNew);
  CHECK(dedupe.ClassifyClock("w2", 1, 3) == Seen::kNew);

  // A new incarnation counts anew.
  REQUIRE(dedupe.Meet("w1", 2).ok());
  CHECK(dedupe.ClassifyClock("w1", 2, 0) == Seen::kNew);
}

TEST_CASE("an older incarnation is refused and changes nothing") {
  Dedupe dedupe;
  REQUIRE(dedupe.Meet("w1", 5).ok());
  dedupe.Appended(PushOf("w1", 5, 7));
  dedupe.Applied(PushOf("w1", 5, 7));

  CHECK(dedupe.CheckIncarnation("w1", 5).ok());
  CHECK(dedupe.CheckIncarnation("w1", 6).ok());
  CHECK(dedupe.CheckIncarnation("w2", 1).ok());
  CHECK(absl::IsFailedPrecondition(dedupe.CheckIncarnation("w1", 4)));
  dedupe.Acknowledged("w1", 4, 9);

  CHECK(dedupe.Clock("w1", 5) == 7u);
  CHECK_FALSE(dedupe.Clock("w1", 4).has_value());
}

TEST_CASE("a clock only moves ahead") {
  Dedupe dedupe;
  REQUIRE(dedupe.Meet("w1", 1).ok());
  dedupe.Acknowledged("w1", 1, 5);
  dedupe.Applied(PushOf("w1", 1, 3));
  CHECK(dedupe.Clock("w1", 1) == 5u);
}

TEST_CASE("there is room for a bounded count of workers") {
  Dedupe dedupe;
  for (size_t i = 0; i < Dedupe::kWorkersMax; ++i) {
    REQUIRE(dedupe.Meet(absl::StrCat("w", i), 1).ok());
  }

  CHECK(absl::IsResourceExhausted(dedupe.Meet("one more", 1)));
  CHECK(dedupe.Meet("w0", 2).ok());
}

TEST_CASE("what is appended is what another copy knows as applied") {
  Dedupe dedupe;
  REQUIRE(dedupe.Meet("w1", 3).ok());
  REQUIRE(dedupe.Meet("w2", 4).ok());
  LogEntry entry;
  entry.kind = LogEntry::Kind::kPush;
  entry.worker = "w1";
  entry.incarnation = 3;
  entry.clock = 7;
  entry.shards = {{0, 2}, {5, 1}};
  dedupe.Appended(entry);
  v1::PartitionState state;
  dedupe.EncodeAppended(&state);

  const auto other = Dedupe::Restore(state);

  REQUIRE(other.ok());
  CHECK(other->Clock("w1", 3) == 7u);
  CHECK_FALSE(other->Clock("w2", 4).has_value());
  CHECK(absl::IsFailedPrecondition(other->CheckIncarnation("w2", 3)));
  CHECK(other->applied().below() == 2);
  CHECK(other->ClassifyShards({{5, 1}}) == Seen::kApplied);
  CHECK(other->ClassifyShards({{3, 1}}) == Seen::kNew);
}

TEST_CASE("a state that cannot be is refused") {
  const auto refuses = [](uint64_t first, uint64_t count) {
    v1::PartitionState state;
    state.set_applied_below(4);
    v1::ShardExtent* const extent = state.add_applied();
    extent->set_first(first);
    extent->set_count(count);
    return absl::IsInvalidArgument(Dedupe::Restore(state).status());
  };
  CHECK(refuses(4, 1));  // It touches the mark.
  CHECK(refuses(6, 0));
  CHECK(refuses(6, ~uint64_t{0}));
  CHECK_FALSE(refuses(6, 1));
}

}  // namespace
}  // namespace paceline
