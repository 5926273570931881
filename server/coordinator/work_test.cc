#include "server/coordinator/work.h"

#include <catch2/catch.hpp>

namespace paceline {
namespace {

state::JobRecord Record() {
  state::JobRecord record;
  record.mutable_spec()->mutable_data()->set_shard_samples(10);
  record.mutable_spec()->mutable_train()->set_shards_per_round(4);
  record.mutable_spec()->mutable_train()->set_shards_per_push(2);
  record.mutable_spec()->mutable_train()->set_epochs(3);
  record.mutable_facts()->set_train_samples(95);
  record.mutable_segment()->mutable_consistency()->mutable_sync();
  return record;
}

TEST_CASE("a job's fleet is its spec's until it is scaled") {
  state::JobRecord record = Record();
  record.mutable_spec()->mutable_fleet()->set_workers(4);
  record.mutable_spec()->mutable_fleet()->set_replicas(2);
  CHECK(FleetOf(record).workers() == 4);

  record.mutable_scale()->set_workers(7);

  CHECK(FleetOf(record).workers() == 7);
  CHECK(FleetOf(record).replicas() == 2);
  CHECK(record.spec().fleet().workers() == 4);
}

TEST_CASE("a round is a run in sync, a push elsewhere, and neither straddles an epoch") {
  state::JobRecord record = Record();
  // 95 samples in shards of 10: 10 an epoch; rounds of 4, 4 and 2.
  CHECK(EpochShards(record) == 10);
  CHECK(TotalShards(record) == 30);
  CHECK(PlanOf(record).size() == 9);

  record.mutable_segment()->mutable_consistency()->mutable_ssp();
  record.mutable_segment()->set_first_shard(14);
  // Pushes of 2: 3 to the end of the second epoch, 5 in the third.
  CHECK(PlanOf(record).size() == 8);
}

TEST_CASE("a job with bare parameters has an epoch a round and no end") {
  state::JobRecord record = Record();
  record.mutable_spec()->mutable_model()->add_parameters();
  record.clear_facts();

  CHECK(EpochShards(record) == 4);
  CHECK(PlanOf(record).size() == (uint64_t{1} << 60));
  CHECK(PlanOf(record).At(7).first_ordinal == 28);
}

}  // namespace
}  // namespace paceline
