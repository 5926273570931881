#include "common/job/partitioning.h"

#include <algorithm>
#include <catch2/catch.hpp>

namespace paceline {
namespace {

std::vector<ParameterInfo> Parameters(const std::vector<uint64_t>& sizes) {
  std::vector<ParameterInfo> list;
  for (const uint64_t size : sizes) {
    ParameterInfo parameter;
    parameter.elements = size;
    parameter.offset = TotalElements(list);
    list.push_back(parameter);
  }
  return list;
}

// Every promise of the header about where partitions lie.
void CheckCover(const std::vector<ParameterInfo>& list, const std::vector<Partition>& partitions,
                bool whole) {
  uint64_t at = 0;
  for (size_t i = 0; i < partitions.size(); ++i) {
    const Partition& partition = partitions[i];
    REQUIRE(partition.id == i);
    REQUIRE(partition.offset == at);
    REQUIRE(!partition.ranges.empty());
    for (const Partition::Range& range : partition.ranges) {
      const ParameterInfo& parameter = list[range.parameter];
      REQUIRE(range.begin < range.end);
      REQUIRE(range.end <= parameter.elements);
      REQUIRE(parameter.offset + range.begin == at);
      REQUIRE(range.begin % kBlockElements == 0);
      REQUIRE((range.end % kBlockElements == 0 || range.end == parameter.elements));
      if (whole) REQUIRE(range.end - range.begin == parameter.elements);
      at += range.end - range.begin;
    }
    REQUIRE(partition.offset + partition.elements == at);
  }
  REQUIRE(at == TotalElements(list));
}

TEST_CASE("partitions cover the flat vector in order, cut at block boundaries only") {
  const std::vector<std::vector<uint64_t>> models = {
      {1},
      {100352, 128, 1280, 10},
      {5000, 5000, 5000, 5000, 5000, 70000},
      {10'000'000},
      {3, 3'000'000, 17, 4096, 4095, 4097, 9'000'000, 1},
      std::vector<uint64_t>(1000, 777),
  };
  for (const auto& sizes : models) {
    const auto list = Parameters(sizes);
    for (const uint32_t servers : {1u, 2u, 3u, 8u, 1024u}) {
      CheckCover(list, PartitionsOf(list, servers, false), false);
      CheckCover(list, PartitionsOf(list, servers, true), true);
    }
  }
}

TEST_CASE("a model worth spreading has a partition for every server, of like sizes") {
  // The Fashion-MNIST example: 101770 elements on 2 servers; half is 50885, the nearest block 12.
  const auto list = Parameters({100352, 128, 1280, 10});

  const auto partitions = PartitionsOf(list, 2, false);

  REQUIRE(partitions.size() == 2);
  CHECK(partitions[0].elements == 12 * 4096);
  CHECK(partitions[1].elements == 101770 - 12 * 4096);
  CHECK(partitions[1].ranges.size() == 4);
}

TEST_CASE("a small model is not cut into pieces that are not worth a server") {
  CHECK(PartitionsOf(Parameters({1000}), 8, false).size() == 1);
  // 101770 / 16384 = 6.2.
  CHECK(PartitionsOf(Parameters({100352, 128, 1280, 10}), 8, false).size() == 6);
}

TEST_CASE("a large model is cut into partitions of at most 2^20 elements and half a block") {
  const auto partitions = PartitionsOf(Parameters({10'000'000}), 1, false);

  // 10^7 / 2^20 = 9.54.
  CHECK(partitions.size() == 10);
  for (const Partition& partition : partitions) {
    CHECK(partition.elements <= kPartitionElementsMax + kBlockElements / 2);
    CHECK(partition.elements >= 990'000);
  }
}

TEST_CASE("whole parameters are never cut, however large") {
  const auto partitions = PartitionsOf(Parameters({10, 5'000'000, 10, 2'000'000}), 4, true);

  REQUIRE(partitions.size() == 2);
  CHECK(partitions[0].elements == 5'000'010);
  CHECK(partitions[1].elements == 2'000'010);
}

TEST_CASE("whole parameters of one size are spread evenly") {
  const auto partitions = PartitionsOf(Parameters(std::vector<uint64_t>(8, 20'000)), 4, true);

  REQUIRE(partitions.size() == 4);
  for (const Partition& partition : partitions) CHECK(partition.elements == 40'000);
}

TEST_CASE("lamb and lars keep parameters whole, other rules do not") {
  v1::OptimizerSpec lamb, lars, adam;
  lamb.mutable_lamb();
  lars.mutable_lars();
  adam.mutable_adam();

  CHECK(KeepsParametersWhole(lamb));
  CHECK(KeepsParametersWhole(lars));
  CHECK_FALSE(KeepsParametersWhole(adam));
  CHECK_FALSE(KeepsParametersWhole({}));
}

TEST_CASE("the blocks of all partitions are the blocks of all parameters, however they are cut") {
  const auto list = Parameters({100352, 128, 1280, 10, 4097});
  // 100352 / 4096 = 24.5; 4097 / 4096 = 1.0002: 25 + 1 + 1 + 1 + 2.
  const uint64_t expected = 30;

  for (const uint32_t servers : {1u, 2u, 3u, 6u}) {
    uint64_t blocks = 0;
    for (const Partition& p : PartitionsOf(list, servers, false)) blocks += SquareNormBlocks(p);
    CHECK(blocks == expected);
  }
}

TEST_CASE("partitions are cut for the layout's servers, or the fleet's if it names none") {
  v1::FleetSpec fleet;
  fleet.set_servers(5);
  CHECK(LayoutServers(fleet) == 5);

  fleet.set_layout_servers(3);
  CHECK(LayoutServers(fleet) == 3);
}

TEST_CASE("no parameters, no partitions") { CHECK(PartitionsOf({}, 3, false).empty()); }

}  // namespace
}  // namespace paceline
