// Blocks of one size, used again and again: in a steady state nothing large is allocated.
//
// Shapes   Every block has the count of elements last given to Take.
// Threads  Safe from any thread; a block may be released by any thread, also after the pool's end.
#ifndef PACELINE_COMMON_TENSOR_BLOCK_POOL_H_
#define PACELINE_COMMON_TENSOR_BLOCK_POOL_H_

#include <cstddef>
#include <limits>
#include <memory>

#include "common/tensor/block.h"

namespace paceline {

class BlockPool {
 public:
  // Keeps up to `idle_max` blocks that nobody holds.
  explicit BlockPool(size_t idle_max = std::numeric_limits<size_t>::max());

  // A block of `elements`, contents unspecified, which returns to the pool when its last reference
  // goes. Blocks of another size than this are let go.
  std::shared_ptr<Block> Take(size_t elements);

  // Blocks that wait to be taken.
  size_t idle() const;

 private:
  struct Shelf;

  std::shared_ptr<Shelf> shelf_;
};

}  // namespace paceline

#endif  // PACELINE_COMMON_TENSOR_BLOCK_POOL_H_
