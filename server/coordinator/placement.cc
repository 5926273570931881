#include "server/coordinator/placement.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <set>
#include <tuple>
#include <utility>

#include "common/base/check.h"

namespace paceline {
namespace {

using Candidate = std::tuple<uint64_t, std::string, size_t>;  // Load, id, index.

// Servers by zone, the least loaded of each first.
class Zones {
 public:
  explicit Zones(const std::vector<ServerLoad>& servers) : servers_(servers) {
    for (size_t s = 0; s < servers.size(); ++s) Put(s, servers[s].elements);
  }

  void Put(size_t server, uint64_t load) {
    by_zone_[servers_[server].zone].insert({load, servers_[server].id, server});
  }

  bool empty() const { return by_zone_.empty(); }

  // Takes out the least loaded server of the zone that `uses` counts least, and counts it.
  std::pair<size_t, uint64_t> Take(std::map<std::string, size_t>* uses) {
    auto best = by_zone_.begin();
    for (auto it = by_zone_.begin(); it != by_zone_.end(); ++it) {
      const auto rank = [&](auto zone) {
        return std::make_pair((*uses)[zone->first], *zone->second.begin());
      };
      if (rank(it) < rank(best)) best = it;
    }
    ++(*uses)[best->first];
    const Candidate taken = *best->second.begin();
    best->second.erase(best->second.begin());
    if (best->second.empty()) by_zone_.erase(best);
    return {std::get<2>(taken), std::get<0>(taken)};
  }

 private:
  const std::vector<ServerLoad>& servers_;
  std::map<std::string, std::set<Candidate>> by_zone_;  // No zone is empty.
};

std::vector<size_t> LargestFirst(absl::Span<const uint64_t> partitions) {
  std::vector<size_t> order(partitions.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return partitions[a] > partitions[b]; });
  return order;
}

}  // namespace

std::vector<std::vector<size_t>> Place(absl::Span<const uint64_t> partitions,
                                       const std::vector<ServerLoad>& servers, size_t copies,
                                       size_t most) {
  PACELINE_CHECK(!servers.empty() && copies >= 1 && most >= 1);
  Zones all(servers);
  std::vector<ServerLoad> used;
  std::vector<size_t> index_of;  // Of used servers in `servers`.
  std::map<std::string, size_t> per_zone;
  while (!all.empty() && used.size() < std::max(most, copies)) {
    index_of.push_back(all.Take(&per_zone).first);
    used.push_back(servers[index_of.back()]);
  }

  Zones zones(used);
  std::vector<std::vector<size_t>> placed(partitions.size());
  for (const size_t partition : LargestFirst(partitions)) {
    const uint64_t size = partitions[partition];
    std::vector<std::pair<size_t, uint64_t>> taken;
    std::map<std::string, size_t> held;
    while (!zones.empty() && taken.size() < copies) taken.push_back(zones.Take(&held));
    for (const auto& [server, load] : taken) zones.Put(server, load + size);
    const auto primary = std::min_element(taken.begin(), taken.end(), [&](auto a, auto b) {
      return used[a.first].primaries < used[b.first].primaries;
    });
    used[primary->first].primaries += size;
    std::iter_swap(taken.begin(), primary);
    for (const auto& [server, load] : taken) placed[partition].push_back(index_of[server]);
  }
  return placed;
}

}  // namespace paceline
