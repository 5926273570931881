#include "common/base/median.h"

#include <catch2/catch.hpp>

#include "absl/time/time.h"

namespace paceline {
namespace {

TEST_CASE("the median is the middle one, or the mean of the middle two, in any order") {
  CHECK(Median<double>({7}) == 7);
  CHECK(Median<double>({9, 1, 2}) == 2);
  CHECK(Median<double>({8, 1, 100, 2}) == 5);
  CHECK(Median<absl::Duration>({absl::Seconds(3), absl::Seconds(1)}) == absl::Seconds(2));
}

}  // namespace
}  // namespace paceline
