#include "worker/loop/round_cover.h"

#include <catch2/catch.hpp>
#include <utility>

namespace paceline {
namespace {

using Extents = std::vector<std::pair<uint64_t, uint32_t>>;

Extents Take(RoundCover* cover, uint32_t rank, uint32_t workers) {
  Extents extents;
  for (const ComputePiece& piece : cover->TakeMissing(rank, workers)) {
    extents.push_back({piece.first_shard, piece.shards});
  }
  return extents;
}

TEST_CASE("a worker takes its leaves once, as subtrees") {
  RoundCover cover;
  cover.Begin({100, 8});

  // Of 8 leaves the second of 3 workers has 2..4: the pair (2 3) and the leaf 4.
  CHECK(Take(&cover, 1, 3) == Extents{{102, 2}, {104, 1}});
  CHECK(Take(&cover, 1, 3).empty());
}

TEST_CASE("a new roster adds the leaves on both sides of those taken") {
  RoundCover cover;
  cover.Begin({0, 8});
  Take(&cover, 1, 3);

  CHECK(Take(&cover, 0, 1) == Extents{{0, 2}, {5, 1}, {6, 2}});
  CHECK(Take(&cover, 0, 1).empty());
}

TEST_CASE("with more workers than leaves some have none") {
  RoundCover cover;
  cover.Begin({0, 2});

  CHECK(Take(&cover, 0, 4).empty());
  CHECK(Take(&cover, 1, 4) == Extents{{0, 1}});
}

Extents Help(RoundCover* cover, const std::vector<uint64_t>& missing, uint32_t rank,
             uint32_t workers) {
  Extents extents;
  for (const ComputePiece& piece : cover->TakeHelp(missing, rank, workers)) {
    extents.push_back({piece.first_shard, piece.shards});
  }
  return extents;
}

TEST_CASE("helpers begin apart, with half of an equal share") {
  RoundCover first;
  RoundCover second;
  first.Begin({100, 16});
  second.Begin({100, 16});
  const std::vector<uint64_t> missing = {104, 105, 106, 107, 108, 109, 110, 111};

  // 8 missing, 2 workers: 8 / (2 * 2) = 2 data shards, from the first or from the fifth one on.
  CHECK(Help(&first, missing, 0, 2) == Extents{{104, 2}});
  CHECK(Help(&second, missing, 1, 2) == Extents{{108, 2}});
  // Six are left to the second: 6 / 4 = 1, from the fourth on.
  CHECK(Help(&second, missing, 1, 2) == Extents{{107, 1}});
}

TEST_CASE("a helper takes no data shard twice, none of its own, and none of another round") {
  RoundCover cover;
  cover.Begin({100, 4});
  Take(&cover, 0, 2);  // 100, 101

  CHECK(Help(&cover, {99, 100, 101, 103, 104}, 0, 2) == Extents{{103, 1}});
  CHECK(Help(&cover, {101, 103}, 0, 2).empty());
  CHECK(Help(&cover, {}, 0, 2).empty());
}

}  // namespace
}  // namespace paceline
