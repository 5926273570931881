#include "server/partition/gate.h"

#include <catch2/catch.hpp>

#include "absl/strings/str_cat.h"
#include "server/replica/log.h"

namespace paceline {
namespace {

// Members w1.., incarnation 1, that have committed the clocks below `next`.
struct Fleet {
  explicit Fleet(const std::vector<uint64_t>& next) {
    for (size_t i = 0; i < next.size(); ++i) {
      const std::string id = absl::StrCat("w", i + 1);
      v1::RosterMember* const member = roster.add_members();
      member->mutable_worker()->set_id(id);
      member->mutable_worker()->set_incarnation(1);
      REQUIRE(clocks.Meet(id, 1).ok());
      if (next[i] > 0) clocks.Acknowledged(id, 1, next[i] - 1);
    }
  }

  bool Admits(uint64_t clock, uint64_t staleness) const {
    return AdmitRead(clock, staleness, FindSlowest(roster, clocks));
  }

  v1::Roster roster;
  Dedupe clocks;
};

TEST_CASE("ssp admits a read exactly from the bound on") {
  // The slowest has committed clock k, with k + 1 = next. A read at c needs c - s - 1 <= k.
  for (uint64_t next = 0; next < 6; ++next) {
    const Fleet fleet({next, 9});
    for (uint64_t staleness = 0; staleness < 4; ++staleness) {
      for (uint64_t clock = 0; clock < 12; ++clock) {
        const int64_t needed = static_cast<int64_t>(clock) - static_cast<int64_t>(staleness) - 1;
        const int64_t committed = static_cast<int64_t>(next) - 1;
        CHECK(fleet.Admits(clock, staleness) == (committed >= needed));
      }
    }
  }
}

TEST_CASE("clock 0, an idle member and an empty roster wait for nothing") {
  Fleet fleet({0, 7});
  CHECK(fleet.Admits(0, 0));
  CHECK_FALSE(fleet.Admits(7, 0));

  fleet.roster.mutable_members(0)->set_idle(true);
  CHECK(fleet.Admits(7, 0));
  CHECK_FALSE(fleet.Admits(8, 0));

  CHECK(AdmitRead(100, 0, FindSlowest(v1::Roster(), fleet.clocks)));
}

TEST_CASE("a member that has pushed nothing owes nothing below its start clock") {
  Fleet fleet({5, 0});
  CHECK_FALSE(fleet.Admits(5, 0));
  fleet.roster.mutable_members(1)->set_start_clock(5);
  CHECK(fleet.Admits(5, 0));
  CHECK_FALSE(fleet.Admits(6, 0));
}

TEST_CASE("the clock of a former incarnation does not count") {
  Fleet fleet({5, 5});
  fleet.roster.mutable_members(1)->mutable_worker()->set_incarnation(2);
  CHECK_FALSE(fleet.Admits(5, 0));
}

TEST_CASE("a member whose successor has spoken is waited for no longer") {
  Fleet fleet({5, 0});
  CHECK_FALSE(fleet.Admits(5, 0));
  REQUIRE(fleet.clocks.Meet("w2", 2).ok());
  CHECK(fleet.Admits(5, 0));
  CHECK(WaitForClock(6, 0, fleet.roster, fleet.clocks).on == std::vector<std::string>{"w1"});
}

TEST_CASE("the lead of an admitted read is at most staleness plus one") {
  const Fleet fleet({3, 9});
  const auto slowest = FindSlowest(fleet.roster, fleet.clocks);
  CHECK(ReadLead(2, slowest) == 0);
  CHECK(ReadLead(3, slowest) == 1);  // Clock 2 is committed: 3 - 2.
  CHECK(ReadLead(5, slowest) == 3);
  CHECK(fleet.Admits(5, 2));
  CHECK_FALSE(fleet.Admits(6, 2));
  CHECK(ReadLead(5, {}) == 0);
}

TEST_CASE("an ssp wait names the clock and the members that lag") {
  Fleet fleet({3, 9, 4, 0});
  fleet.roster.mutable_members(3)->set_idle(true);

  const WaitReason reason = WaitForClock(7, 2, fleet.roster, fleet.clocks);

  CHECK(reason.what == "clock 4 of w1, w3");
  CHECK(reason.on == std::vector<std::string>{"w1", "w3"});
}

TEST_CASE("a sync wait names the data shards and whom they fall to") {
  // 8 leaves over 4 members: two each.
  const Fleet fleet({0, 0, 0, 0});

  const WaitReason reason = WaitForRound(12, {96, 8}, {{1, 1}, {4, 2}}, fleet.roster);

  CHECK(reason.what == "round 12: data shards 97, 100..101 missing");
  CHECK(reason.on == std::vector<std::string>{"w1", "w3"});
}

TEST_CASE("a round that has not begun is refused") {
  CHECK(AdmitRound(3, 3).ok());
  CHECK(AdmitRound(2, 3).ok());
  CHECK(absl::IsFailedPrecondition(AdmitRound(4, 3)));
}

TEST_CASE("async accepts, refuses or damps by staleness") {
  v1::AsyncMode mode;
  CHECK(AdmitStale(1000000, mode).status.ok());

  mode.set_max_staleness(3);
  CHECK(AdmitStale(3, mode).status.ok());
  CHECK(AdmitStale(3, mode).damping == 1);
  CHECK(absl::IsAborted(AdmitStale(4, mode).status));

  mode.set_on_stale(v1::AsyncMode::DAMP);
  CHECK(AdmitStale(3, mode).damping == 1);
  CHECK(AdmitStale(4, mode).status.ok());
  CHECK(AdmitStale(4, mode).damping == 0.2);
}

TEST_CASE("a member is in when none of its data shards is missing; some have none") {
  const auto count = [](uint64_t leaves, const std::vector<LeafRun>& missing, uint32_t members) {
    const MembersIn counted = CountMembersIn(leaves, missing, members);
    return std::vector<uint32_t>{counted.in, counted.all};
  };
  CHECK(count(8, {}, 4) == std::vector<uint32_t>{4, 4});
  CHECK(count(8, {{1, 1}, {4, 2}}, 4) == std::vector<uint32_t>{2, 4});
  CHECK(count(8, {{1, 6}}, 4) == std::vector<uint32_t>{0, 4});
  CHECK(count(8, {{0, 8}}, 3) == std::vector<uint32_t>{0, 3});
  CHECK(count(2, {{1, 1}}, 5) == std::vector<uint32_t>{1, 2});
  CHECK(count(8, {{3, 1}}, 0) == std::vector<uint32_t>{0, 0});

  CHECK(MembersIn{2, 3}.Suffice(2));
  CHECK_FALSE(MembersIn{2, 3}.Suffice(3));
  CHECK_FALSE(MembersIn{2, 3}.Suffice(7));
  CHECK(MembersIn{3, 3}.Suffice(7));
  CHECK_FALSE(MembersIn{0, 0}.Suffice(1));
}

TEST_CASE("a wait for a quorum says what would do, and when") {
  const Fleet fleet({0, 0, 0, 0});
  const auto what = [&](absl::Duration grace) {
    return WaitForQuorum(12, {96, 8}, {{1, 1}}, fleet.roster, 9, grace).what;
  };
  const std::string wait =
      "round 12: data shards 97 missing; 3 of 4 workers are in, the quorum is 4";
  CHECK(what(absl::InfiniteDuration()) == wait);
  CHECK(what(absl::Milliseconds(20)) == wait + ", the grace ends in 21 ms");
  CHECK(what(-absl::Milliseconds(5)) == wait + ", the grace is over");
}

}  // namespace
}  // namespace paceline
