#include "server/coordinator/round_grants.h"

#include <catch2/catch.hpp>

namespace paceline {
namespace {

TEST_CASE("a slow segment is granted sixteen rounds ahead") {
  RoundGrants grants(0, 1000);

  CHECK(grants.Target(0) == 16);
  grants.Grant(16);
  // A quarter of the slack, 4 rounds, is the least stride.
  CHECK(grants.Target(3) == 16);
  CHECK(grants.Target(4) == 20);
}

TEST_CASE("a fast segment is granted four reports ahead, and slows down by halves") {
  RoundGrants grants(16, 100000);
  grants.OnPace(10);
  grants.OnPace(110);

  CHECK(grants.Target(110) == 510);
  grants.OnPace(110);
  CHECK(grants.Target(110) == 310);
}

TEST_CASE("no more is granted than the segment has, and never less than before") {
  RoundGrants grants(0, 20);

  CHECK(grants.Target(10) == 20);
  grants.Grant(20);
  CHECK(grants.Target(0) == 20);
  CHECK(RoundGrants(64, 1000).Target(0) == 64);
}

}  // namespace
}  // namespace paceline
