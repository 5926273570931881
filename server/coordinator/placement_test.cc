#include "server/coordinator/placement.h"

#include <catch2/catch.hpp>

namespace paceline {
namespace {

TEST_CASE("partitions are spread so that servers hold about as many elements") {
  // Largest first: 8 -> a, 7 -> b, 5 -> b (7 < 8) would be 12; 4 -> a: 12.
  CHECK(Place({8, 7, 5, 4}, {{"a", 0}, {"b", 0}}, 2) == std::vector<size_t>{0, 1, 1, 0});
}

TEST_CASE("what a server holds already counts") {
  CHECK(Place({1, 1, 1}, {{"a", 2}, {"b", 0}}, 2) == std::vector<size_t>{1, 1, 0});
}

TEST_CASE("equal loads go by server id, whatever the order of the list") {
  CHECK(Place({3, 3}, {{"b", 0}, {"a", 0}}, 2) == std::vector<size_t>{1, 0});
}

TEST_CASE("no more servers are used than the job wants, the least loaded ones") {
  CHECK(Place({1, 1, 1}, {{"a", 9}, {"b", 1}, {"c", 0}}, 2) == std::vector<size_t>{2, 1, 2});
  CHECK(Place({}, {{"a", 0}}, 4).empty());
}

}  // namespace
}  // namespace paceline
