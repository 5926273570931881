// Which server holds which partition.
//
// Units    Load and size are elements.
// Threads  Pure functions.
#ifndef PACELINE_SERVER_COORDINATOR_PLACEMENT_H_
#define PACELINE_SERVER_COORDINATOR_PLACEMENT_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/types/span.h"

namespace paceline {

struct ServerLoad {
  std::string id;         // Unique.
  uint64_t elements = 0;  // That it holds already, of other jobs.
};

// For each of `partitions` (their elements) the index of its server in `servers`, which is not
// empty. Uses the `most` least loaded servers (at least 1) and gives each next largest partition to
// the least loaded of them; equal loads go by id. O((servers + partitions) log(both)).
std::vector<size_t> Place(absl::Span<const uint64_t> partitions,
                          const std::vector<ServerLoad>& servers, size_t most);

}  // namespace paceline

#endif  // PACELINE_SERVER_COORDINATOR_PLACEMENT_H_
