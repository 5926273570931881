#include "server/partition/partition_spec.h"

#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/job/job_work.h"

namespace paceline {
namespace {

absl::StatusOr<WorkShape> WorkOf(const v1::JobSpec& spec, const v1::DatasetFacts& facts) {
  WorkShape work;
  if (spec.model().parameters_size() > 0) return work;
  const v1::TrainSpec& train = spec.train();
  if (facts.train_samples() == 0 || spec.data().shard_samples() == 0 || train.epochs() == 0 ||
      train.shards_per_round() == 0 || train.shards_per_push() == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("the directive has train_samples ", facts.train_samples(), ", shard_samples ",
                     spec.data().shard_samples(), ", epochs ", train.epochs(),
                     ", shards_per_round ", train.shards_per_round(), ", shards_per_push ",
                     train.shards_per_push(), "; each must be at least 1"));
  }
  work.shards_per_epoch = ShardsPerEpoch(spec, facts);
  // Room for the ordinals' own arithmetic.
  if (work.shards_per_epoch > std::numeric_limits<uint64_t>::max() / 2 / train.epochs()) {
    return absl::InvalidArgumentError(absl::StrCat(
        work.shards_per_epoch, " data shards in each of ", train.epochs(), " epochs are too many"));
  }
  work.total_shards = work.shards_per_epoch * train.epochs();
  work.shards_per_round = train.shards_per_round();
  work.shards_per_push = train.shards_per_push();
  return work;
}

}  // namespace

absl::StatusOr<JobLayout> LayoutOf(const v1::JobDirective& directive) {
  const v1::JobSpec& spec = directive.spec();
  if (spec.fleet().servers() == 0) {
    return absl::InvalidArgumentError("the directive's spec has 0 servers; the least is 1");
  }
  JobLayout layout;
  layout.seed = spec.seed();
  ASSIGN_OR_RETURN(layout.parameters, ParametersOf(spec, directive.facts()));
  layout.partitions = PartitionsOf(layout.parameters, LayoutServers(spec.fleet()),
                                   KeepsParametersWhole(spec.optimizer()));
  if (layout.partitions.size() != static_cast<size_t>(directive.placement_size())) {
    return absl::InvalidArgumentError(
        absl::StrCat("the directive places ", directive.placement_size(),
                     " partitions; the spec makes ", layout.partitions.size()));
  }
  return layout;
}

absl::StatusOr<PartitionSpec> PartitionSpecOf(const v1::JobDirective& directive,
                                              const JobLayout& layout, uint32_t partition) {
  PartitionSpec spec;
  spec.job = directive.job();
  spec.partition = partition;
  spec.optimizer = directive.spec().optimizer();
  ASSIGN_OR_RETURN(spec.work, WorkOf(directive.spec(), directive.facts()));
  for (const Partition::Range& range : layout.partitions[partition].ranges) {
    spec.segment_elements.push_back(range.end - range.begin);
    spec.elements += range.end - range.begin;
  }
  return spec;
}

std::shared_ptr<Block> InitialBlock(const JobLayout& layout, uint32_t partition) {
  const Partition& held = layout.partitions[partition];
  auto block = std::make_shared<Block>(held.elements);
  uint64_t at = 0;
  for (const Partition::Range& range : held.ranges) {
    const uint64_t count = range.end - range.begin;
    InitializeParameters(layout.parameters[range.parameter], layout.seed, range.begin,
                         block->floats().subspan(at, count));
    at += count;
  }
  return block;
}

}  // namespace paceline
