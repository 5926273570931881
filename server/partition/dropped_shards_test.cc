#include "server/partition/dropped_shards.h"

#include <catch2/catch.hpp>
#include <limits>
#include <string>

namespace paceline {
namespace {

LogEntry Round(uint64_t version, std::vector<ShardExtent> dropped,
               std::vector<ShardExtent> carried = {}) {
  LogEntry entry;
  entry.step = version;
  entry.dropped = std::move(dropped);
  entry.carried = std::move(carried);
  return entry;
}

v1::PartitionState Encoded(const DroppedShards& dropped, uint64_t version) {
  v1::PartitionState state;
  state.set_version(version);
  dropped.Encode(&state);
  return state;
}

TEST_CASE("what a round dropped may be carried as a whole or in parts, each once") {
  DroppedShards dropped;
  dropped.Appended(Round(1, {{4, 4}, {12, 2}}));
  CHECK(dropped.Contains({4, 4}));
  CHECK(dropped.Contains({5, 2}));
  CHECK(dropped.Contains({12, 2}));
  CHECK_FALSE(dropped.Contains({3, 2}));
  CHECK_FALSE(dropped.Contains({6, 3}));
  CHECK_FALSE(dropped.Contains({4, 0}));

  dropped.Appended(Round(2, {}, {{5, 2}}));
  CHECK(dropped.Contains({4, 1}));
  CHECK_FALSE(dropped.Contains({4, 2}));
  CHECK_FALSE(dropped.Contains({5, 1}));
  CHECK_FALSE(dropped.Contains({6, 1}));
  CHECK(dropped.Contains({7, 1}));

  dropped.Appended(Round(3, {}, {{4, 1}, {7, 1}, {12, 2}}));
  CHECK(Encoded(dropped, 3).dropped().empty());
}

TEST_CASE("what is eight versions old is forgotten") {
  DroppedShards dropped;
  dropped.Appended(Round(1, {{4, 4}}));
  dropped.Appended(Round(8, {{40, 1}}));
  CHECK(dropped.Contains({4, 4}));
  dropped.Appended(Round(9, {}));
  CHECK_FALSE(dropped.Contains({4, 4}));
  CHECK(dropped.Contains({40, 1}));
}

TEST_CASE("a copy that is made from an image knows the same") {
  DroppedShards dropped;
  dropped.Appended(Round(1, {{0, 1}, {4, 4}}));
  dropped.Appended(Round(2, {{8, 2}}, {{5, 2}}));
  const v1::PartitionState state = Encoded(dropped, 2);

  const auto copy = DroppedShards::Restore(state);
  REQUIRE(copy.ok());
  CHECK(Encoded(*copy, 2).SerializeAsString() == state.SerializeAsString());
  for (uint64_t shard = 0; shard < 12; ++shard) {
    CHECK(copy->Contains({shard, 1}) == dropped.Contains({shard, 1}));
  }
}

TEST_CASE("what no log can have left is refused") {
  const auto refusal = [](auto change) {
    v1::PartitionState state;
    state.set_version(20);
    v1::DroppedShards* const round = state.add_dropped();
    round->set_version(15);
    v1::ShardExtent* const extent = round->add_shards();
    extent->set_first(4);
    extent->set_count(2);
    change(&state);
    return std::string(DroppedShards::Restore(state).status().message());
  };
  CHECK(refusal([](v1::PartitionState*) {}) == "");
  CHECK(refusal([](v1::PartitionState* state) { state->mutable_dropped(0)->set_version(12); }) ==
        "round 12 dropped 1 extents of data shards; wanted some, of a round after 12 up to 20");
  CHECK(refusal([](v1::PartitionState* state) { state->mutable_dropped(0)->set_version(21); }) ==
        "round 21 dropped 1 extents of data shards; wanted some, of a round after 12 up to 20");
  CHECK(refusal([](v1::PartitionState* state) { state->mutable_dropped(0)->clear_shards(); }) ==
        "round 15 dropped 0 extents of data shards; wanted some, of a round after 12 up to 20");
  CHECK(refusal([](v1::PartitionState* state) { *state->add_dropped() = state->dropped(0); }) ==
        "round 15 dropped 1 extents of data shards; wanted some, of a round after 15 up to 20");
  CHECK(refusal([](v1::PartitionState* state) {
          state->mutable_dropped(0)->mutable_shards(0)->set_count(0);
        }) == "round 15 dropped 0 data shards from 4 on; wanted some from 0 on");
  CHECK(refusal([](v1::PartitionState* state) {
          *state->mutable_dropped(0)->add_shards() = state->dropped(0).shards(0);
        }) == "round 15 dropped 2 data shards from 4 on; wanted some from 6 on");
  CHECK(refusal([](v1::PartitionState* state) {
          state->mutable_dropped(0)->mutable_shards(0)->set_first(
              std::numeric_limits<uint64_t>::max());
        }).find("wanted some from 0 on") != std::string::npos);
}

}  // namespace
}  // namespace paceline
