#include "server/coordinator/placement.h"

#include <algorithm>
#include <numeric>
#include <set>
#include <tuple>

#include "common/base/check.h"

namespace paceline {

std::vector<size_t> Place(absl::Span<const uint64_t> partitions,
                          const std::vector<ServerLoad>& servers, size_t most) {
  PACELINE_CHECK(!servers.empty() && most >= 1);
  using Candidate = std::tuple<uint64_t, std::string, size_t>;
  std::set<Candidate> by_load;
  for (size_t s = 0; s < servers.size(); ++s) {
    by_load.insert({servers[s].elements, servers[s].id, s});
  }
  while (by_load.size() > most) by_load.erase(std::prev(by_load.end()));

  std::vector<size_t> order(partitions.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return partitions[a] > partitions[b]; });
  std::vector<size_t> placed(partitions.size());
  for (const size_t partition : order) {
    auto least = by_load.extract(by_load.begin());
    placed[partition] = std::get<2>(least.value());
    std::get<0>(least.value()) += partitions[partition];
    by_load.insert(std::move(least));
  }
  return placed;
}

}  // namespace paceline
