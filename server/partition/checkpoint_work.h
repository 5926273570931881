// What a partition's primary asks whoever has a disk to do for a checkpoint.
//
// Threads  Blocks are immutable; the rest is a value.
// Source   docs/protocol.md, "Checkpoints".
#ifndef PACELINE_SERVER_PARTITION_CHECKPOINT_WORK_H_
#define PACELINE_SERVER_PARTITION_CHECKPOINT_WORK_H_

#include <cstdint>
#include <string>

#include "proto/control.pb.h"
#include "server/checkpoint/partition_image.h"

namespace paceline {

// Ends with one PartitionHost::OnCheckpointDone. With `order.parts` the manifest is to be written,
// `partition` is 0 and `image` empty; else `image` is to be written as a part.
struct CheckpointWork {
  std::string job;
  v1::CheckpointOrder order;
  // Job, spec, facts and segment of the directive that holds the order; nothing else of it.
  v1::JobDirective directive;
  uint32_t partition = 0;
  PartitionImage image;
};

}  // namespace paceline

#endif  // PACELINE_SERVER_PARTITION_CHECKPOINT_WORK_H_
