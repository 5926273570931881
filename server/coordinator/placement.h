// Which servers hold the copies of which partition.
//
// Units    Load and size are elements.
// Threads  Pure functions.
// Source   docs/protocol.md, "Replication", Placement.
#ifndef PACELINE_SERVER_COORDINATOR_PLACEMENT_H_
#define PACELINE_SERVER_COORDINATOR_PLACEMENT_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/types/span.h"

namespace paceline {

struct ServerLoad {
  std::string id;          // Unique.
  uint64_t elements = 0;   // Of the copies that it holds already.
  std::string zone = "";   // Its failure domain; servers without one share the empty one.
  uint64_t primaries = 0;  // Elements of the copies among them that are primaries.
};

// For each of `partitions` (their elements) the indices in `servers`, which is not empty, of those
// that hold its `copies` copies (at least 1; as many as there are servers, if these are fewer), the
// primary's first. Uses `most` servers (at least 1, at least as many as copies), the least loaded
// ones of as many zones as there are. The largest partition goes first; each of its copies goes to
// the zone that holds fewest of them, there to the least loaded server that holds none; equal loads
// go by id. Of these the server that is primary of least becomes its primary.
// O(servers log servers + partitions copies zones log servers).
std::vector<std::vector<size_t>> Place(absl::Span<const uint64_t> partitions,
                                       const std::vector<ServerLoad>& servers, size_t copies,
                                       size_t most);

}  // namespace paceline

#endif  // PACELINE_SERVER_COORDINATOR_PLACEMENT_H_
