// Cuts a job's flat parameter vector into partitions, the unit of placement and locking.
//
// Shapes   Partitions cover the flat vector in order, without gap or overlap. A boundary lies at a
//          parameter's start, or inside it on a multiple of kBlockElements counted from that start:
//          a norm summed block by block in flat order has the same bits for any partitioning.
// Units    Offsets and counts are elements (float32).
// Threads  Pure functions.
#ifndef PACELINE_COMMON_JOB_PARTITIONING_H_
#define PACELINE_COMMON_JOB_PARTITIONING_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "common/job/parameters.h"
#include "proto/job.pb.h"

namespace paceline {

// Elements in one block of a parameter; a parameter's last block may be shorter.
inline constexpr uint64_t kBlockElements = 4096;

// Partitions are cut for at most this many elements (4 MiB), give or take half a block.
inline constexpr uint64_t kPartitionElementsMax = uint64_t{1} << 20;

// More partitions than that bound asks for, one a server, are cut only if each gets this many.
inline constexpr uint64_t kPartitionElementsWorth = uint64_t{1} << 14;

struct Partition {
  // Elements [begin, end) of one parameter. `begin` is the start of a block.
  struct Range {
    size_t parameter = 0;  // Index into the list the partitions were made from.
    uint64_t begin = 0;
    uint64_t end = 0;
  };

  uint32_t id = 0;            // Its index among the job's partitions.
  std::vector<Range> ranges;  // In flat order; never empty.
  uint64_t offset = 0;        // Of the first element in the job's flat vector.
  uint64_t elements = 0;
};

// The partitions of `parameters` for a job on `servers` servers (at least 1), balanced in size.
// With `keep_parameters_whole` (rules that scale a step by a parameter's norm: lamb, lars)
// boundaries lie between parameters only, and a partition is as large as its largest parameter.
// No parameters, no partitions.
std::vector<Partition> PartitionsOf(const std::vector<ParameterInfo>& parameters, uint32_t servers,
                                    bool keep_parameters_whole);

// The servers that a job's partitions are cut for, whatever the number of servers it runs on: the
// argument of PartitionsOf for a resolved spec.
uint32_t LayoutServers(const v1::FleetSpec& fleet);

// Whether the job's optimizer rule wants whole parameters.
bool KeepsParametersWhole(const v1::OptimizerSpec& optimizer);

// Blocks in all of a partition's ranges: the count of partial sums in its square norm.
uint64_t SquareNormBlocks(const Partition& partition);

}  // namespace paceline

#endif  // PACELINE_COMMON_JOB_PARTITIONING_H_
