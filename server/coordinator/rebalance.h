// Which copies to move, and which primaries, so that servers hold about as much as each other.
//
// Units    Sizes are elements.
// Threads  A pure function.
// Source   docs/protocol.md, "Replication", Placement.
#ifndef PACELINE_SERVER_COORDINATOR_REBALANCE_H_
#define PACELINE_SERVER_COORDINATOR_REBALANCE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace paceline {

struct BalanceServer {
  std::string id;  // Unique.
  std::string zone;
};

struct BalancePartition {
  struct Copy {
    size_t server = 0;  // Index of its server.
    bool is_primary = false;
  };
  uint64_t elements = 0;
  std::vector<Copy> copies;  // Those on the servers that are balanced.
  bool is_settled = true;    // False: copies come or go already; it stays as it is.
};

struct BalanceMove {
  size_t partition = 0;
  size_t from = 0;
  size_t to = 0;
  // No copy moves: the primary does, to a server that has a copy in sync already.
  bool is_role = false;
};

// Moves from the most to the least loaded server, one copy after another, as long as each makes the
// larger of the two loads smaller by more than a twentieth of the mean load; a partition moves once
// at most, and its copies are spread over no fewer zones than before. Then the same for what
// servers are primary of, by exchanging roles. O(moves servers^2 copies) at worst.
std::vector<BalanceMove> PlanMoves(std::vector<BalancePartition> partitions,
                                   const std::vector<BalanceServer>& servers);

}  // namespace paceline

#endif  // PACELINE_SERVER_COORDINATOR_REBALANCE_H_
