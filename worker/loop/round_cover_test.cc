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

}  // namespace
}  // namespace paceline
