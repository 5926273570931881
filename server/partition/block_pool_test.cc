#include "server/partition/block_pool.h"

#include <catch2/catch.hpp>

namespace paceline {
namespace {

TEST_CASE("a block that nobody holds any longer is used again") {
  BlockPool pool(8, 2);
  std::shared_ptr<Block> block = pool.Take();
  const float* const memory = block->floats().data();
  CHECK(block->elements() == 8);

  CHECK(pool.Take()->floats().data() != memory);
  const BlockRef reader = block;
  block.reset();
  CHECK(pool.Take()->floats().data() != memory);
}

TEST_CASE("a block's memory comes back when its last reader goes") {
  BlockPool pool(8, 2);
  BlockRef reader = pool.Take();
  const float* const memory = reader->floats().data();

  reader.reset();

  CHECK(pool.Take()->floats().data() == memory);
}

TEST_CASE("a block may outlive its pool") {
  auto pool = std::make_unique<BlockPool>(4, 1);
  const std::shared_ptr<Block> block = pool->Take();
  pool.reset();
  block->floats()[3] = 1;
  CHECK(block->floats()[3] == 1);
}

}  // namespace
}  // namespace paceline
