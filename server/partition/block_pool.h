// Blocks of one size that are used again, so that a partition at work does not allocate.
//
// Shapes   Every block is [elements] float32; contents are not initialised.
// Threads  Safe: the last reader of a block may be on any thread, and may outlive the pool.
#ifndef PACELINE_SERVER_PARTITION_BLOCK_POOL_H_
#define PACELINE_SERVER_PARTITION_BLOCK_POOL_H_

#include <cstddef>
#include <memory>

#include "common/tensor/block.h"

namespace paceline {

class BlockPool {
 public:
  // Keeps up to `spares_max` unused blocks.
  BlockPool(size_t elements, size_t spares_max);

  // A spare block, or a new one. It comes back when its last reference goes.
  std::shared_ptr<Block> Take();

 private:
  struct Spares;

  const size_t elements_;
  std::shared_ptr<Spares> spares_;
};

}  // namespace paceline

#endif  // PACELINE_SERVER_PARTITION_BLOCK_POOL_H_
