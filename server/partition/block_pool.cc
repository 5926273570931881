#include "server/partition/block_pool.h"

#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace paceline {

struct BlockPool::Spares {
  explicit Spares(size_t max) : spares_max(max) {}

  // Either keeps the block or lets it go, outside the lock.
  void Return(std::unique_ptr<Block> block) {
    absl::MutexLock lock(&mutex);
    if (blocks.size() < spares_max) blocks.push_back(std::move(block));
  }

  std::unique_ptr<Block> Take() {
    absl::MutexLock lock(&mutex);
    if (blocks.empty()) return nullptr;
    std::unique_ptr<Block> block = std::move(blocks.back());
    blocks.pop_back();
    return block;
  }

  const size_t spares_max;
  absl::Mutex mutex;
  std::vector<std::unique_ptr<Block>> blocks ABSL_GUARDED_BY(mutex);
};

BlockPool::BlockPool(size_t elements, size_t spares_max)
    : elements_(elements), spares_(std::make_shared<Spares>(spares_max)) {}

std::shared_ptr<Block> BlockPool::Take() {
  std::unique_ptr<Block> block = spares_->Take();
  if (block == nullptr) block = std::make_unique<Block>(elements_);
  return std::shared_ptr<Block>(
      block.release(), [spares = spares_](Block* b) { spares->Return(std::unique_ptr<Block>(b)); });
}

}  // namespace paceline
