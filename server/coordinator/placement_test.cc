#include "server/coordinator/placement.h"

#include <catch2/catch.hpp>
#include <set>

namespace paceline {
namespace {

using Placed = std::vector<std::vector<size_t>>;

TEST_CASE("partitions are spread so that servers hold about as many elements") {
  // Largest first: 8 -> a, 7 -> b, 5 -> b (7 < 8) would be 12; 4 -> a: 12.
  CHECK(Place({8, 7, 5, 4}, {{"a", 0}, {"b", 0}}, 1, 2) == Placed{{0}, {1}, {1}, {0}});
}

TEST_CASE("what a server holds already counts") {
  CHECK(Place({1, 1, 1}, {{"a", 2}, {"b", 0}}, 1, 2) == Placed{{1}, {1}, {0}});
}

TEST_CASE("equal loads go by server id, whatever the order of the list") {
  CHECK(Place({3, 3}, {{"b", 0}, {"a", 0}}, 1, 2) == Placed{{1}, {0}});
}

TEST_CASE("no more servers are used than the job wants, the least loaded ones") {
  CHECK(Place({1, 1, 1}, {{"a", 9}, {"b", 1}, {"c", 0}}, 1, 2) == Placed{{2}, {1}, {2}});
  CHECK(Place({}, {{"a", 0}}, 1, 4).empty());
}

TEST_CASE("the copies of a partition are on different servers and each is primary of its share") {
  // a and b hold all; the primaries alternate.
  CHECK(Place({4, 4}, {{"a", 0}, {"b", 0}}, 2, 1) == Placed{{0, 1}, {1, 0}});
}

TEST_CASE("with fewer servers than copies there are fewer copies") {
  CHECK(Place({4}, {{"a", 0}, {"b", 0}}, 3, 1) == Placed{{0, 1}});
}

TEST_CASE("copies go to different zones, even to a server that holds more") {
  const std::vector<ServerLoad> servers = {
      {"a", 0, "east"}, {"b", 0, "east"}, {"c", 100, "west"}, {"d", 101, "west"}};

  const Placed placed = Place({5, 5, 5, 5}, servers, 2, 4);

  for (const std::vector<size_t>& copies : placed) {
    std::set<std::string> zones;
    for (const size_t s : copies) zones.insert(servers[s].zone);
    CHECK(zones.size() == 2);
  }
  // Of two servers for two copies, one is in each zone.
  CHECK(Place({5}, servers, 2, 2) == Placed{{0, 2}});
}

TEST_CASE("more copies than zones: as evenly over the zones as possible") {
  // One east, one west; the third goes where least is held: b, as a has the partition.
  CHECK(Place({5}, {{"a", 0, "east"}, {"b", 3, "east"}, {"c", 4, "west"}, {"d", 5, "west"}}, 3,
              4) == Placed{{0, 2, 1}});
}

TEST_CASE("the server that is primary of least becomes primary") {
  CHECK(Place({4}, {{"a", 9, "", 9}, {"b", 9, "", 2}}, 2, 2) == Placed{{1, 0}});
}

}  // namespace
}  // namespace paceline
