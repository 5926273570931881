#include "server/coordinator/rebalance.h"

#include <algorithm>
#include <catch2/catch.hpp>

namespace paceline {
namespace {

BalancePartition Part(uint64_t elements, std::vector<size_t> servers) {
  BalancePartition partition;
  partition.elements = elements;
  for (const size_t s : servers) partition.copies.push_back({s, partition.copies.empty()});
  return partition;
}

std::vector<uint64_t> LoadsAfter(std::vector<BalancePartition> partitions,
                                 const std::vector<BalanceMove>& moves, size_t servers) {
  for (const BalanceMove& move : moves) {
    if (move.is_role) continue;
    for (auto& copy : partitions[move.partition].copies) {
      if (copy.server == move.from) copy.server = move.to;
    }
  }
  std::vector<uint64_t> loads(servers, 0);
  for (const auto& partition : partitions) {
    for (const auto& copy : partition.copies) loads[copy.server] += partition.elements;
  }
  return loads;
}

TEST_CASE("a new server gets its share with as few moves as that takes") {
  // 6 partitions of 10 on two servers: 30 each; with a third, 20 each takes two moves.
  std::vector<BalancePartition> partitions;
  for (size_t i = 0; i < 6; ++i) partitions.push_back(Part(10, {i % 2}));

  const auto moves = PlanMoves(partitions, {{"a", ""}, {"b", ""}, {"c", ""}});

  CHECK(moves.size() == 2);
  CHECK(LoadsAfter(partitions, moves, 3) == std::vector<uint64_t>{20, 20, 20});
}

TEST_CASE("nothing moves when that would only turn the difference round") {
  CHECK(PlanMoves({Part(10, {0})}, {{"a", ""}, {"b", ""}}).empty());
  CHECK(PlanMoves({}, {}).empty());
  CHECK(PlanMoves({}, {{"a", ""}}).empty());
}

TEST_CASE("a difference of less than a twentieth of the mean is left alone") {
  std::vector<BalancePartition> partitions = {Part(1000, {0}), Part(1000, {1}), Part(10, {0})};
  CHECK(PlanMoves(partitions, {{"a", ""}, {"b", ""}}).empty());
}

TEST_CASE("a copy does not go where one of its partition is, and backups go before primaries") {
  // a: 20, b: 20, c: 0. Each partition has its primary on a and a backup on b.
  std::vector<BalancePartition> partitions = {Part(10, {0, 1}), Part(10, {0, 1})};

  const auto moves = PlanMoves(partitions, {{"a", ""}, {"b", ""}, {"c", ""}});

  REQUIRE(!moves.empty());
  CHECK(moves[0].from == 1);
  CHECK(moves[0].to == 2);
  CHECK_FALSE(moves[0].is_role);
}

TEST_CASE("a move never makes a partition's copies share a zone that did not") {
  // b in the east may take nothing from c in the west, whose partitions have their other copy on a.
  std::vector<BalancePartition> partitions = {Part(10, {2, 0}), Part(10, {2, 0})};

  const auto moves = PlanMoves(partitions, {{"a", "east"}, {"b", "east"}, {"c", "west"}});

  REQUIRE(!moves.empty());
  for (const BalanceMove& move : moves) {
    if (!move.is_role) CHECK(move.from == 0);
  }
}

TEST_CASE("primaries are evened out by exchanging roles, without moving a copy") {
  std::vector<BalancePartition> partitions;
  for (int i = 0; i < 4; ++i) partitions.push_back(Part(10, {0, 1}));

  const auto moves = PlanMoves(partitions, {{"a", ""}, {"b", ""}});

  REQUIRE(moves.size() == 2);
  for (const BalanceMove& move : moves) {
    CHECK(move.is_role);
    CHECK(move.from == 0);
    CHECK(move.to == 1);
  }
}

TEST_CASE("what is on its way already is not moved again") {
  BalancePartition moving = Part(10, {0});
  moving.is_settled = false;
  CHECK(PlanMoves({moving, moving}, {{"a", ""}, {"b", ""}}).empty());
}

}  // namespace
}  // namespace paceline
