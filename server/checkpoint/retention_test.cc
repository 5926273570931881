#include "server/checkpoint/retention.h"

#include <catch2/catch.hpp>

namespace paceline {
namespace {

using Numbers = std::vector<uint64_t>;

TEST_CASE("the newest are kept, and those at multiples") {
  const Numbers all = {8, 9, 10, 11, 20, 21, 22};

  CHECK(NotKept({2, 0}, all) == Numbers{8, 9, 10, 11, 20});
  CHECK(NotKept({2, 10}, all) == Numbers{8, 9, 11});
  CHECK(NotKept({2, 0, {9, 15}}, all) == Numbers{8, 10, 11, 20});
  CHECK(NotKept({100, 0}, all).empty());
}

TEST_CASE("one is kept whatever is asked") {
  CHECK(NotKept({0, 0}, {5}).empty());
  CHECK(NotKept({0, 0}, {5, 6}) == Numbers{5});
  CHECK(NotKept({3, 2}, {}).empty());
}

}  // namespace
}  // namespace paceline
