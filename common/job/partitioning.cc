#include "common/job/partitioning.h"

#include <algorithm>

#include "common/base/check.h"

namespace paceline {
namespace {

uint64_t CeilDivide(uint64_t a, uint64_t b) { return a / b + (a % b != 0 ? 1 : 0); }

uint64_t PartitionCount(uint64_t elements, uint32_t servers) {
  const uint64_t for_size = CeilDivide(elements, kPartitionElementsMax);
  const uint64_t for_servers = std::min<uint64_t>(servers, elements / kPartitionElementsWorth);
  return std::max({for_size, for_servers, uint64_t{1}});
}

// Whichever of `below` <= `target` <= `above` is nearer to it.
uint64_t Nearer(uint64_t target, uint64_t below, uint64_t above) {
  return target - below <= above - target ? below : above;
}

// The permitted boundary nearest to `target`, which lies inside `parameter`.
uint64_t NearestBoundary(const ParameterInfo& parameter, uint64_t target) {
  const uint64_t within = target - parameter.offset;
  const uint64_t below = within / kBlockElements * kBlockElements;
  const uint64_t above = std::min(below + kBlockElements, parameter.elements);
  return parameter.offset + Nearer(within, below, above);
}

// Ends of `count` even partitions, ascending and distinct; the last is the flat vector's end.
std::vector<uint64_t> EndsAtBlocks(const std::vector<ParameterInfo>& parameters, uint64_t count) {
  const uint64_t elements = TotalElements(parameters);
  std::vector<uint64_t> ends;
  size_t at = 0;
  for (uint64_t i = 1; i < count; ++i) {
    // elements * i / count, in parts that cannot overflow.
    const uint64_t target = elements / count * i + elements % count * i / count;
    while (target >= parameters[at].offset + parameters[at].elements) ++at;
    const uint64_t end = NearestBoundary(parameters[at], target);
    if (end > (ends.empty() ? 0 : ends.back()) && end < elements) ends.push_back(end);
  }
  ends.push_back(elements);
  return ends;
}

// As EndsAtBlocks, between parameters only: a partition is closed when it is at least half full and
// the next parameter would take it further from full than it is.
std::vector<uint64_t> EndsAtParameters(const std::vector<ParameterInfo>& parameters,
                                       uint64_t count) {
  const uint64_t full = CeilDivide(TotalElements(parameters), count);
  std::vector<uint64_t> ends;
  uint64_t begin = 0;
  for (const ParameterInfo& next : parameters) {
    const uint64_t held = next.offset - begin;
    if (2 * held < full || held + next.elements / 2 <= full) continue;
    ends.push_back(next.offset);
    begin = next.offset;
  }
  ends.push_back(TotalElements(parameters));
  return ends;
}

// The partition [begin, end) of the flat vector; *at is the parameter that holds `begin`, and
// becomes the one that holds `end`.
Partition Cut(const std::vector<ParameterInfo>& parameters, uint64_t begin, uint64_t end,
              size_t* at) {
  Partition partition;
  partition.offset = begin;
  partition.elements = end - begin;
  while (begin < end) {
    const ParameterInfo& parameter = parameters[*at];
    const uint64_t stop = std::min(end, parameter.offset + parameter.elements);
    partition.ranges.push_back({*at, begin - parameter.offset, stop - parameter.offset});
    if (stop == parameter.offset + parameter.elements) ++*at;
    begin = stop;
  }
  return partition;
}

}  // namespace

std::vector<Partition> PartitionsOf(const std::vector<ParameterInfo>& parameters, uint32_t servers,
                                    bool keep_parameters_whole) {
  std::vector<Partition> partitions;
  if (parameters.empty()) return partitions;
  PACELINE_CHECK(servers >= 1);
  const uint64_t count = PartitionCount(TotalElements(parameters), servers);
  const std::vector<uint64_t> ends =
      keep_parameters_whole ? EndsAtParameters(parameters, count) : EndsAtBlocks(parameters, count);
  uint64_t begin = 0;
  size_t at = 0;
  for (const uint64_t end : ends) {
    partitions.push_back(Cut(parameters, begin, end, &at));
    partitions.back().id = static_cast<uint32_t>(partitions.size() - 1);
    begin = end;
  }
  return partitions;
}

uint32_t LayoutServers(const v1::FleetSpec& fleet) {
  return fleet.layout_servers() != 0 ? fleet.layout_servers() : fleet.servers();
}

bool KeepsParametersWhole(const v1::OptimizerSpec& optimizer) {
  return optimizer.has_lamb() || optimizer.has_lars();
}

uint64_t SquareNormBlocks(const Partition& partition) {
  uint64_t blocks = 0;
  for (const Partition::Range& range : partition.ranges) {
    blocks += CeilDivide(range.end - range.begin, kBlockElements);
  }
  return blocks;
}

}  // namespace paceline
