#include "server/coordinator/work.h"

#include <algorithm>

namespace paceline {
namespace {

// A job with bare parameters has no end of data shards.
constexpr uint64_t kEndless = uint64_t{1} << 62;

}  // namespace

bool IsBare(const state::JobRecord& record) { return record.spec().model().parameters_size() > 0; }

uint64_t EpochShards(const state::JobRecord& record) {
  if (IsBare(record)) return record.spec().train().shards_per_round();
  return ShardsPerEpoch(record.facts().train_samples(), record.spec().data().shard_samples());
}

uint64_t TotalShards(const state::JobRecord& record) {
  if (IsBare(record)) return kEndless;
  return record.spec().train().epochs() * EpochShards(record);
}

WorkPlan PlanOf(const state::JobRecord& record) {
  const v1::TrainSpec& train = record.spec().train();
  const bool is_sync = record.segment().consistency().has_sync();
  const uint64_t length = is_sync ? train.shards_per_round() : train.shards_per_push();
  return WorkPlan(record.segment().first_shard(), EpochShards(record), TotalShards(record),
                  std::max<uint64_t>(length, 1));
}

}  // namespace paceline
