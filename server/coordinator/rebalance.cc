#include "server/coordinator/rebalance.h"

#include <algorithm>
#include <numeric>
#include <optional>

namespace paceline {
namespace {

using Copy = BalancePartition::Copy;

constexpr uint64_t kShareOfMean = 20;  // An improvement of less than 1 / 20 is not worth a move.

// One balancing: of copies, or of the role of primary.
class Balance {
 public:
  Balance(std::vector<BalancePartition>* partitions, const std::vector<BalanceServer>& servers,
          bool roles)
      : partitions_(*partitions),
        servers_(servers),
        roles_(roles),
        loads_(servers.size(), 0),
        held_(servers.size()) {
    for (size_t p = 0; p < partitions_.size(); ++p) {
      for (const Copy& copy : partitions_[p].copies) {
        if (!roles_ || copy.is_primary) Take(p, copy.server);
      }
    }
    const uint64_t total = std::accumulate(loads_.begin(), loads_.end(), uint64_t{0});
    if (!loads_.empty()) worth_ = total / loads_.size() / kShareOfMean;
  }

  std::optional<BalanceMove> Next() const {
    std::vector<size_t> order(servers_.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::sort(order.begin(), order.end(), [this](size_t a, size_t b) {
      return loads_[a] != loads_[b] ? loads_[a] < loads_[b] : servers_[a].id < servers_[b].id;
    });
    for (auto from = order.rbegin(); from != order.rend(); ++from) {
      for (const size_t to : order) {
        if (loads_[*from] <= loads_[to] + worth_) break;
        if (const auto move = Between(*from, to); move.has_value()) return move;
      }
    }
    return std::nullopt;
  }

  void Do(const BalanceMove& move) {
    BalancePartition& partition = partitions_[move.partition];
    held_[move.from].erase(
        std::find(held_[move.from].begin(), held_[move.from].end(), move.partition));
    loads_[move.from] -= partition.elements;
    Take(move.partition, move.to);
    for (Copy& copy : partition.copies) {
      if (roles_) {
        copy.is_primary = copy.server == move.to;
      } else if (copy.server == move.from) {
        copy.server = move.to;
      }
    }
    partition.is_settled = false;
  }

 private:
  void Take(size_t partition, size_t server) {
    loads_[server] += partitions_[partition].elements;
    held_[server].push_back(partition);
  }

  // How much smaller the larger of both loads gets.
  uint64_t Gain(size_t from, size_t to, uint64_t size) const {
    const uint64_t after = std::max(loads_[from] - size, loads_[to] + size);
    return loads_[from] - std::min(after, loads_[from]);
  }

  size_t CopiesIn(const std::string& zone, const BalancePartition& partition,
                  size_t without) const {
    return static_cast<size_t>(
        std::count_if(partition.copies.begin(), partition.copies.end(), [&](const Copy& copy) {
          return copy.server != without && servers_[copy.server].zone == zone;
        }));
  }

  bool May(const BalancePartition& partition, size_t from, size_t to) const {
    if (!partition.is_settled) return false;
    const bool is_there = std::any_of(partition.copies.begin(), partition.copies.end(),
                                      [to](const Copy& copy) { return copy.server == to; });
    if (roles_) return is_there;
    return !is_there && CopiesIn(servers_[to].zone, partition, from) <=
                            CopiesIn(servers_[from].zone, partition, from);
  }

  // Whether moving the copy of `partition` on `from` would stop its primary for a moment.
  bool IsPrimaryOn(size_t partition, size_t from) const {
    const auto& copies = partitions_[partition].copies;
    return std::any_of(copies.begin(), copies.end(),
                       [from](const Copy& copy) { return copy.server == from && copy.is_primary; });
  }

  std::optional<BalanceMove> Between(size_t from, size_t to) const {
    std::optional<BalanceMove> best;
    std::pair<uint64_t, bool> best_rank;
    for (const size_t p : held_[from]) {
      const uint64_t gain = Gain(from, to, partitions_[p].elements);
      const std::pair<uint64_t, bool> rank{gain, !IsPrimaryOn(p, from)};
      if (gain == 0 || gain <= worth_ || !May(partitions_[p], from, to)) continue;
      if (best.has_value() && rank <= best_rank) continue;
      best = BalanceMove{p, from, to, roles_};
      best_rank = rank;
    }
    return best;
  }

  std::vector<BalancePartition>& partitions_;
  const std::vector<BalanceServer>& servers_;
  const bool roles_;
  std::vector<uint64_t> loads_;
  std::vector<std::vector<size_t>> held_;  // Partitions, by server.
  uint64_t worth_ = 0;
};

}  // namespace

std::vector<BalanceMove> PlanMoves(std::vector<BalancePartition> partitions,
                                   const std::vector<BalanceServer>& servers) {
  std::vector<BalanceMove> moves;
  for (const bool roles : {false, true}) {
    Balance balance(&partitions, servers, roles);
    for (auto move = balance.Next(); move.has_value(); move = balance.Next()) {
      balance.Do(*move);
      moves.push_back(*move);
    }
  }
  return moves;
}

}  // namespace paceline
