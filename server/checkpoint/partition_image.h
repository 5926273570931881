// What one partition held at one moment, in memory: what a checkpoint stores and a restore gives
// back.
//
// Shapes   Every array has as many elements as the partition.
// Threads  Blocks are immutable; taking an image copies references only.
#ifndef PACELINE_SERVER_CHECKPOINT_PARTITION_IMAGE_H_
#define PACELINE_SERVER_CHECKPOINT_PARTITION_IMAGE_H_

#include <cstdint>
#include <vector>

#include "common/tensor/block.h"
#include "proto/replica.pb.h"

namespace paceline {

struct PartitionImage {
  uint32_t partition = 0;
  uint64_t version = 0;  // Also that of `state`.
  uint64_t index = 0;    // The newest entry applied.
  uint64_t term = 0;     // That entry's.
  v1::PartitionState state;
  BlockRef parameters;          // Of `version`.
  BlockRef previous;            // Of version - 1; null: there is none.
  std::vector<BlockRef> slots;  // The optimizer's.
};

}  // namespace paceline

#endif  // PACELINE_SERVER_CHECKPOINT_PARTITION_IMAGE_H_
