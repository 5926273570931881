// What one partition needs to know of its job, worked out from the job's directive.
//
// Errors   InvalidArgument: a directive whose model, data, segment or placement do not fit
// together,
//          with the values.
// Threads  Pure functions.
#ifndef PACELINE_SERVER_PARTITION_PARTITION_SPEC_H_
#define PACELINE_SERVER_PARTITION_PARTITION_SPEC_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/job/parameters.h"
#include "common/job/partitioning.h"
#include "common/tensor/block.h"
#include "proto/control.pb.h"
#include "proto/job.pb.h"

namespace paceline {

// How a job's data shards are cut. All 0 for bare parameters, which have none.
struct WorkShape {
  uint64_t shards_per_epoch = 0;
  uint64_t total_shards = 0;
  uint64_t shards_per_round = 0;
  uint64_t shards_per_push = 0;

  bool is_bare() const { return total_shards == 0; }
};

// Constant over the life of a partition.
struct PartitionSpec {
  std::string job;
  uint32_t partition = 0;
  v1::OptimizerSpec optimizer;
  std::vector<uint64_t> segment_elements;  // Of each range of the partition.
  uint64_t elements = 0;                   // Their sum.
  WorkShape work;
};

// The job's parameters and their partitions.
struct JobLayout {
  uint64_t seed = 0;
  std::vector<ParameterInfo> parameters;
  std::vector<Partition> partitions;
};
absl::StatusOr<JobLayout> LayoutOf(const v1::JobDirective& directive);

// `partition` is below layout.partitions.size().
absl::StatusOr<PartitionSpec> PartitionSpecOf(const v1::JobDirective& directive,
                                              const JobLayout& layout, uint32_t partition);

// The partition's parameters before the first update.
std::shared_ptr<Block> InitialBlock(const JobLayout& layout, uint32_t partition);

}  // namespace paceline

#endif  // PACELINE_SERVER_PARTITION_PARTITION_SPEC_H_
