// A small job's checkpoint for tests: two partitions, Adam's two slots, all fields in use.
//
// Shapes   Partition 0: layers.0.weight [3, 4] and layers.0.bias [4]; partition 1: the number
// "scale".
#ifndef PACELINE_SERVER_CHECKPOINT_EXAMPLE_CHECKPOINT_H_
#define PACELINE_SERVER_CHECKPOINT_EXAMPLE_CHECKPOINT_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "proto/checkpoint.pb.h"
#include "server/checkpoint/checkpoint_store.h"
#include "server/checkpoint/manifest.h"
#include "server/checkpoint/partition_image.h"

namespace paceline {

struct ExampleCheckpoint {
  ManifestHead head;
  std::vector<PartitionImage> images;
};

// A job in its round 10 * `checkpoint`. Slot 1 is the same in all of them, everything else differs.
ExampleCheckpoint MakeExampleCheckpoint(uint64_t checkpoint);

// Every step, as a fleet does them; returns what was committed.
absl::StatusOr<v1::CheckpointManifest> WriteExampleCheckpoint(CheckpointStore* store,
                                                              uint64_t checkpoint);

// Whether `store` gives back, of a checkpoint that Verify passes, exactly what
// WriteExampleCheckpoint has written.
bool HoldsExampleCheckpoint(CheckpointStore* store, uint64_t checkpoint);

bool SameBits(const BlockRef& a, const BlockRef& b);

}  // namespace paceline

#endif  // PACELINE_SERVER_CHECKPOINT_EXAMPLE_CHECKPOINT_H_
