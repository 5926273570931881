#include "common/tensor/block_pool.h"

#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace paceline {

// Outlives the pool for as long as a block is out, so that the last release has where to go.
struct BlockPool::Shelf {
  explicit Shelf(size_t max) : idle_max(max) {}

  const size_t idle_max;
  absl::Mutex mutex;
  size_t elements ABSL_GUARDED_BY(mutex) = 0;
  std::vector<std::unique_ptr<Block>> blocks ABSL_GUARDED_BY(mutex);

  void Return(std::unique_ptr<Block> block) {
    absl::MutexLock lock(&mutex);
    if (block->elements() != elements || blocks.size() >= idle_max) return;
    blocks.push_back(std::move(block));
  }
};

BlockPool::BlockPool(size_t idle_max) : shelf_(std::make_shared<Shelf>(idle_max)) {}

std::shared_ptr<Block> BlockPool::Take(size_t elements) {
  std::unique_ptr<Block> block;
  {
    absl::MutexLock lock(&shelf_->mutex);
    if (shelf_->elements != elements) shelf_->blocks.clear();
    shelf_->elements = elements;
    if (!shelf_->blocks.empty()) {
      block = std::move(shelf_->blocks.back());
      shelf_->blocks.pop_back();
    }
  }
  if (block == nullptr) block = std::make_unique<Block>(elements);
  return std::shared_ptr<Block>(block.release(), [shelf = shelf_](Block* returned) {
    shelf->Return(std::unique_ptr<Block>(returned));
  });
}

size_t BlockPool::idle() const {
  absl::MutexLock lock(&shelf_->mutex);
  return shelf_->blocks.size();
}

}  // namespace paceline
