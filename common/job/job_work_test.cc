#include "common/job/job_work.h"

#include <catch2/catch.hpp>

namespace paceline {
namespace {

TEST_CASE("an epoch's last data shard may be a short one") {
  v1::JobSpec spec;
  v1::DatasetFacts facts;
  spec.mutable_data()->set_shard_samples(10);

  facts.set_train_samples(80);
  CHECK(ShardsPerEpoch(spec, facts) == 8);
  facts.set_train_samples(81);
  CHECK(ShardsPerEpoch(spec, facts) == 9);
}

TEST_CASE("a run is a round in sync and quorum and a push in the other modes") {
  v1::JobSpec spec;
  spec.mutable_train()->set_shards_per_round(16);
  spec.mutable_train()->set_shards_per_push(3);
  v1::ConsistencySpec consistency;

  consistency.mutable_sync();
  CHECK(HasRounds(consistency));
  CHECK(RunLength(spec, consistency) == 16);
  consistency.mutable_quorum();
  CHECK(HasRounds(consistency));
  CHECK(RunLength(spec, consistency) == 16);
  consistency.mutable_ssp();
  CHECK(RunLength(spec, consistency) == 3);
  CHECK_FALSE(HasRounds(consistency));
  consistency.mutable_async();
  CHECK_FALSE(HasRounds(consistency));
  CHECK(RunLength(spec, consistency) == 3);
}

}  // namespace
}  // namespace paceline
