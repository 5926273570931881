#include "common/base/random.h"

#include <catch2/catch.hpp>
#include <set>

namespace paceline {
namespace {

TEST_CASE("a stream gives the same number for the same seed, purpose and counter") {
  const RandomStream stream(7, "initial/a");

  CHECK(stream.Bits(3) == RandomStream(7, "initial/a").Bits(3));
  CHECK(stream.Bits(3) != stream.Bits(4));
  CHECK(stream.Bits(3) != RandomStream(8, "initial/a").Bits(3));
  CHECK(stream.Bits(3) != RandomStream(7, "initial/b").Bits(3));
}

TEST_CASE("uniform numbers stay in [0, 1) and average to a half") {
  const RandomStream stream(1, "uniform");
  double sum = 0;
  for (uint64_t i = 0; i < 100000; ++i) {
    const float u = stream.Uniform(i);
    REQUIRE(u >= 0.0f);
    REQUIRE(u < 1.0f);
    sum += u;
  }
  // The mean of n uniforms deviates by 1 / sqrt(12 n) = 0.0009; five of those is 0.0046.
  CHECK(sum / 100000 == Approx(0.5).margin(0.005));
}

TEST_CASE("a permutation visits every index once, whatever the size") {
  for (const uint64_t size : {1u, 2u, 3u, 4u, 5u, 63u, 64u, 65u, 1000u, 60000u}) {
    const Permutation permutation(RandomStream(7, "epoch"), 2, size);
    std::set<uint64_t> seen;
    for (uint64_t i = 0; i < size; ++i) {
      const uint64_t at = permutation.At(i);
      REQUIRE(at < size);
      seen.insert(at);
    }
    CHECK(seen.size() == size);
  }
}

TEST_CASE("two epochs are ordered differently") {
  const Permutation first(RandomStream(7, "epoch"), 0, 1000);
  const Permutation second(RandomStream(7, "epoch"), 1, 1000);
  int same = 0;
  for (uint64_t i = 0; i < 1000; ++i) same += first.At(i) == second.At(i);
  // Two random permutations agree in one place on average; 20 would be far out.
  CHECK(same < 20);
}

}  // namespace
}  // namespace paceline
