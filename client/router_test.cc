#include "client/router.h"

#include <catch2/catch.hpp>

namespace paceline {
namespace {

// Two bare parameters that lamb keeps whole: two partitions of 40000 and 30000 elements, far enough
// above the least worth a partition.
v1::JobDirective TwoPartitions() {
  v1::JobDirective directive;
  directive.set_job("j-1");
  v1::JobSpec* const spec = directive.mutable_spec();
  spec->mutable_fleet()->set_servers(2);
  spec->mutable_optimizer()->mutable_lamb();
  v1::ParameterSpec* const a = spec->mutable_model()->add_parameters();
  a->set_name("a");
  a->add_shape(40000);
  v1::ParameterSpec* const b = spec->mutable_model()->add_parameters();
  b->set_name("b");
  b->add_shape(30000);
  for (uint32_t p = 0; p < 2; ++p) {
    v1::PartitionPlacement* const place = directive.add_placement();
    place->set_partition(p);
    place->set_term(1);
    place->set_address(p == 0 ? "s0:1" : "s1:1");
  }
  return directive;
}

TEST_CASE("routes follow the spec's partitions and the directive's places") {
  Router router;
  std::vector<uint32_t> moved;
  CHECK_FALSE(router.ready());

  REQUIRE(router.Update(TwoPartitions(), &moved).ok());

  REQUIRE(router.size() == 2);
  CHECK(router[0].offset == 0);
  CHECK(router[0].elements == 40000);
  CHECK(router[1].offset == 40000);
  CHECK(router[1].elements == 30000);
  CHECK(router[1].address == "s1:1");
  CHECK(router.elements() == 70000);
  CHECK(router.parameters()[1].name == "b");
}

TEST_CASE("what a coordinator says that has been succeeded is past, what its successor says is not") {
  Router router;
  std::vector<uint32_t> moved;
  v1::JobDirective directive = TwoPartitions();
  directive.mutable_placement(1)->set_config(3);
  CHECK_FALSE(router.IsPast(directive));
  REQUIRE(router.Update(directive, &moved).ok());

  CHECK_FALSE(router.IsPast(directive));
  CHECK(router.IsPast(TwoPartitions()));
  directive.mutable_placement(0)->set_config(1);
  CHECK_FALSE(router.IsPast(directive));
}

TEST_CASE("partitions are cut for the layout's servers, on however many the job runs") {
  Router router;
  std::vector<uint32_t> moved;
  v1::JobDirective directive = TwoPartitions();
  directive.mutable_spec()->mutable_fleet()->set_servers(1);
  CHECK(absl::IsInvalidArgument(router.Update(directive, &moved)));

  directive.mutable_spec()->mutable_fleet()->set_layout_servers(2);
  REQUIRE(router.Update(directive, &moved).ok());

  CHECK(router[1].offset == 40000);
}

TEST_CASE("only partitions with a new place or term have moved") {
  Router router;
  std::vector<uint32_t> moved;
  v1::JobDirective directive = TwoPartitions();
  REQUIRE(router.Update(directive, &moved).ok());
  REQUIRE(router.Update(directive, &moved).ok());
  CHECK(moved.empty());

  directive.mutable_placement(1)->set_term(2);
  REQUIRE(router.Update(directive, &moved).ok());

  CHECK(moved == std::vector<uint32_t>{1});
  CHECK(router[1].term == 2);
}

TEST_CASE("a placement that does not fit is refused and the routes stay") {
  Router router;
  std::vector<uint32_t> moved;
  REQUIRE(router.Update(TwoPartitions(), &moved).ok());
  v1::JobDirective short_one = TwoPartitions();
  short_one.mutable_placement()->RemoveLast();
  v1::JobDirective disordered = TwoPartitions();
  disordered.mutable_placement(0)->set_address("elsewhere:1");
  disordered.mutable_placement(1)->set_partition(5);

  CHECK(absl::IsInvalidArgument(router.Update(short_one, &moved)));
  CHECK(absl::IsInvalidArgument(router.Update(disordered, &moved)));

  CHECK(router.size() == 2);
  CHECK(router[0].address == "s0:1");
}

TEST_CASE("a directive without a placement changes nothing, one without parameters is refused") {
  Router router;
  std::vector<uint32_t> moved;
  v1::JobDirective waiting = TwoPartitions();
  waiting.clear_placement();
  REQUIRE(router.Update(waiting, &moved).ok());
  CHECK_FALSE(router.ready());

  v1::JobDirective bare = TwoPartitions();
  bare.mutable_spec()->clear_model();

  CHECK_FALSE(router.Update(bare, &moved).ok());
  CHECK_FALSE(router.ready());
}

}  // namespace
}  // namespace paceline
