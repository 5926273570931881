#include "server/partition/partition_spec.h"

#include <catch2/catch.hpp>
#include <limits>

#include "server/partition/partition_testing.h"

namespace paceline {
namespace {

// linear(3 -> 2): weight [3, 2], bias [2]. 10 samples in data shards of 4: 3 an epoch.
v1::JobDirective LinearJob() {
  v1::JobDirective directive;
  directive.set_job("job-1");
  v1::JobSpec* const spec = directive.mutable_spec();
  spec->set_seed(1);
  spec->mutable_data()->set_shard_samples(4);
  spec->mutable_model()->add_layers()->mutable_linear()->set_units(2);
  spec->mutable_model()->set_loss(v1::ModelSpec::SOFTMAX_CROSS_ENTROPY);
  spec->mutable_train()->set_epochs(2);
  spec->mutable_train()->set_shards_per_round(2);
  spec->mutable_train()->set_shards_per_push(1);
  *spec->mutable_optimizer() = SgdWith(1);
  spec->mutable_fleet()->set_servers(1);
  directive.mutable_facts()->set_features(3);
  directive.mutable_facts()->set_train_samples(10);
  directive.add_placement();
  return directive;
}

TEST_CASE("a partition's segments, work and initial values follow from the directive") {
  const v1::JobDirective directive = LinearJob();
  const JobLayout layout = LayoutOf(directive).value();
  const PartitionSpec spec = PartitionSpecOf(directive, layout, 0).value();

  CHECK(spec.job == "job-1");
  CHECK(spec.segment_elements == std::vector<uint64_t>{6, 2});
  CHECK(spec.elements == 8);
  CHECK(spec.work.shards_per_epoch == 3);
  CHECK(spec.work.total_shards == 6);
  CHECK(spec.work.shards_per_round == 2);
  CHECK(spec.work.shards_per_push == 1);
  CHECK_FALSE(spec.work.is_bare());

  const auto block = InitialBlock(layout, 0);
  REQUIRE(block->elements() == 8);
  std::vector<float> weight(6);
  InitializeParameters(layout.parameters[0], 1, 0, absl::MakeSpan(weight));
  for (size_t i = 0; i < 6; ++i) CHECK(block->floats()[i] == weight[i]);
  CHECK(block->floats()[6] == 0);
  CHECK(block->floats()[7] == 0);
}

TEST_CASE("bare parameters have no data shards") {
  v1::JobDirective directive = LinearJob();
  v1::ModelSpec* const model = directive.mutable_spec()->mutable_model();
  model->Clear();
  v1::ParameterSpec* const parameter = model->add_parameters();
  parameter->set_name("p");
  parameter->add_shape(5);
  parameter->set_initial(2.5f);
  directive.clear_facts();

  const JobLayout layout = LayoutOf(directive).value();
  CHECK(PartitionSpecOf(directive, layout, 0)->work.is_bare());
  CHECK(InitialBlock(layout, 0)->floats()[4] == 2.5f);
}

TEST_CASE("a directive that does not fit together is refused") {
  v1::JobDirective servers = LinearJob();
  servers.mutable_spec()->mutable_fleet()->set_servers(0);
  CHECK(absl::IsInvalidArgument(LayoutOf(servers).status()));

  v1::JobDirective placement = LinearJob();
  placement.add_placement();
  CHECK(absl::IsInvalidArgument(LayoutOf(placement).status()));

  v1::JobDirective samples = LinearJob();
  samples.mutable_facts()->set_train_samples(0);
  const JobLayout layout = LayoutOf(samples).value();
  CHECK(absl::IsInvalidArgument(PartitionSpecOf(samples, layout, 0).status()));

  samples.mutable_facts()->set_train_samples(std::numeric_limits<uint64_t>::max());
  samples.mutable_spec()->mutable_data()->set_shard_samples(1);
  CHECK(absl::IsInvalidArgument(PartitionSpecOf(samples, layout, 0).status()));
}

}  // namespace
}  // namespace paceline
