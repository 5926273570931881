// A whole partition as it is sent to a backup that cannot be brought along by entries.
//
// Shapes   arrays, each [n] float32: the parameters; those of the version before, null at version
//          0; then the optimizer's slots.
// Threads  Immutable once made.
// Source   proto/replica.proto, InstallHeader.
#ifndef PACELINE_SERVER_REPLICA_INSTALL_IMAGE_H_
#define PACELINE_SERVER_REPLICA_INSTALL_IMAGE_H_

#include <cstdint>
#include <vector>

#include "common/tensor/block.h"
#include "proto/replica.pb.h"

namespace paceline {

struct InstallImage {
  // The newest entry that is in it.
  uint64_t index = 0;
  uint64_t index_term = 0;
  v1::PartitionState state;
  std::vector<BlockRef> arrays;
};

// The array that is sent after `array`.
inline uint32_t NextInstallArray(uint32_t array, uint64_t version) {
  return array == 0 && version == 0 ? 2 : array + 1;
}

}  // namespace paceline

#endif  // PACELINE_SERVER_REPLICA_INSTALL_IMAGE_H_
