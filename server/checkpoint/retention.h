// Which checkpoints are kept.
//
// Threads  Pure functions.
#ifndef PACELINE_SERVER_CHECKPOINT_RETENTION_H_
#define PACELINE_SERVER_CHECKPOINT_RETENTION_H_

#include <cstdint>
#include <set>
#include <vector>

namespace paceline {

struct Retention {
  uint64_t keep_last = 3;   // The newest ones. At least 1.
  uint64_t keep_every = 0;  // And those whose number is a multiple of this; 0: no others.
  std::set<uint64_t> pinned = {};  // And these.
};

// Those of `checkpoints` (ascending) that are not kept.
std::vector<uint64_t> NotKept(const Retention& retention, const std::vector<uint64_t>& checkpoints);

}  // namespace paceline

#endif  // PACELINE_SERVER_CHECKPOINT_RETENTION_H_
