#include "common/job/job_work.h"

#include "common/job/round_plan.h"

namespace paceline {

uint64_t ShardsPerEpoch(const v1::JobSpec& spec, const v1::DatasetFacts& facts) {
  return ShardsPerEpoch(facts.train_samples(), spec.data().shard_samples());
}

bool HasRounds(const v1::ConsistencySpec& consistency) {
  return consistency.has_sync() || consistency.has_quorum();
}

uint64_t RunLength(const v1::JobSpec& spec, const v1::ConsistencySpec& consistency) {
  const v1::TrainSpec& train = spec.train();
  return HasRounds(consistency) ? train.shards_per_round() : train.shards_per_push();
}

}  // namespace paceline
