#include "server/coordinator/work.h"

#include <algorithm>

#include "common/job/job_work.h"

namespace paceline {
namespace {

// A job with bare parameters has no end of data shards.
constexpr uint64_t kEndless = uint64_t{1} << 62;

}  // namespace

bool IsBare(const state::JobRecord& record) { return record.spec().model().parameters_size() > 0; }

uint64_t EpochShards(const state::JobRecord& record) {
  if (IsBare(record)) return record.spec().train().shards_per_round();
  return ShardsPerEpoch(record.spec(), record.facts());
}

uint64_t TotalShards(const state::JobRecord& record) {
  if (IsBare(record)) return kEndless;
  return record.spec().train().epochs() * EpochShards(record);
}

v1::FleetSpec FleetOf(const state::JobRecord& record) {
  v1::FleetSpec fleet = record.spec().fleet();
  const state::ScaleRecord& scale = record.scale();
  if (scale.has_workers()) fleet.set_workers(scale.workers());
  if (scale.has_replicas()) fleet.set_replicas(scale.replicas());
  if (scale.has_min_in_sync()) fleet.set_min_in_sync(scale.min_in_sync());
  return fleet;
}

uint32_t ServersWanted(const v1::FleetSpec& fleet) {
  return std::max({fleet.servers(), fleet.replicas(), 1u});
}

std::set<std::string> HoldersOf(const state::JobRecord& record) {
  std::set<std::string> holders;
  for (const v1::PartitionPlacement& p : record.placement()) {
    for (const v1::PartitionReplica& copy : p.replicas()) holders.insert(copy.server());
  }
  return holders;
}

bool SameMode(const v1::ConsistencySpec& a, const v1::ConsistencySpec& b) {
  return a.SerializeAsString() == b.SerializeAsString();
}

WorkPlan PlanOf(const state::JobRecord& record) {
  const uint64_t length = RunLength(record.spec(), record.segment().consistency());
  return WorkPlan(record.segment().first_shard(), EpochShards(record), TotalShards(record),
                  std::max<uint64_t>(length, 1));
}

}  // namespace paceline
