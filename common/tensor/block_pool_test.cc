#include "common/tensor/block_pool.h"

#include <catch2/catch.hpp>
#include <memory>

namespace paceline {
namespace {

TEST_CASE("a released block is handed out again") {
  BlockPool pool;
  std::shared_ptr<Block> first = pool.Take(8);
  const float* const memory = first->floats().data();
  CHECK(pool.Take(8)->floats().data() != memory);

  first.reset();

  CHECK(pool.idle() == 2);
  std::shared_ptr<Block> again = pool.Take(8);
  CHECK(again->floats().data() == memory);
  CHECK(again->elements() == 8);
  CHECK(pool.idle() == 1);
}

TEST_CASE("blocks of another size are let go") {
  BlockPool pool;
  std::shared_ptr<Block> old = pool.Take(8);
  pool.Take(8);
  REQUIRE(pool.idle() == 1);

  std::shared_ptr<Block> other = pool.Take(16);
  old.reset();

  CHECK(other->elements() == 16);
  CHECK(pool.idle() == 0);
}

TEST_CASE("no more blocks are kept than was asked for") {
  BlockPool pool(1);
  std::shared_ptr<Block> one = pool.Take(8);
  std::shared_ptr<Block> two = pool.Take(8);

  one.reset();
  two.reset();

  CHECK(pool.idle() == 1);
}

TEST_CASE("a block that a reader holds is not handed out") {
  BlockPool pool;
  std::shared_ptr<Block> block = pool.Take(8);
  const float* const memory = block->floats().data();
  const BlockRef reader = block;

  block.reset();

  CHECK(pool.Take(8)->floats().data() != memory);
}

TEST_CASE("a block outlives its pool") {
  std::shared_ptr<Block> block;
  {
    BlockPool pool;
    block = pool.Take(4);
  }
  block->floats()[3] = 1.0f;
  CHECK(block->floats()[3] == 1.0f);
}

}  // namespace
}  // namespace paceline
