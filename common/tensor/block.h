// A run of float32 in memory that many may read at once: parameters of one version, or a gradient.
//
// Shapes   [elements] float32, aligned to 64 bytes.
// Threads  Written by its maker alone; once handed out as BlockRef it is immutable.
#ifndef PACELINE_COMMON_TENSOR_BLOCK_H_
#define PACELINE_COMMON_TENSOR_BLOCK_H_

#include <cstddef>
#include <memory>

#include "absl/types/span.h"

namespace paceline {

class Block {
 public:
  // Contents are not initialised.
  explicit Block(size_t elements);
  ~Block();
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;

  size_t elements() const { return elements_; }
  absl::Span<float> floats() { return {floats_, elements_}; }
  absl::Span<const float> floats() const { return {floats_, elements_}; }

 private:
  float* floats_;
  size_t elements_;
};

using BlockRef = std::shared_ptr<const Block>;

}  // namespace paceline

#endif  // PACELINE_COMMON_TENSOR_BLOCK_H_
