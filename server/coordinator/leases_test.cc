#include "server/coordinator/leases.h"

#include <catch2/catch.hpp>

namespace paceline {
namespace {

const absl::Time kStart = absl::FromUnixSeconds(1000);

TEST_CASE("a lease that is not renewed ends after its duration, and stays ended until forgotten") {
  Leases leases(absl::Seconds(2));
  leases.Renew("w2", kStart);
  leases.Renew("w1", kStart);
  leases.Renew("w1", kStart + absl::Seconds(1));

  CHECK(leases.Expired(kStart + absl::Milliseconds(1999)).empty());
  CHECK(leases.Next() == kStart + absl::Seconds(2));
  CHECK(leases.Expired(kStart + absl::Seconds(2)) == std::vector<std::string>{"w2"});
  CHECK(leases.Expired(kStart + absl::Seconds(3)) == std::vector<std::string>{"w1", "w2"});

  leases.End("w2");
  CHECK(leases.Next() == kStart + absl::Seconds(3));
  CHECK(leases.EndOf("w1") == kStart + absl::Seconds(3));
  CHECK(leases.EndOf("w2") == absl::InfinitePast());
  leases.End("w1");
  CHECK(leases.Next() == absl::InfiniteFuture());
}

TEST_CASE("a lease is made shorter, never longer than it was, until it is renewed") {
  Leases leases(absl::Seconds(2));
  leases.Renew("a", kStart);

  leases.Shorten("a", kStart + absl::Milliseconds(600));
  CHECK(leases.EndOf("a") == kStart + absl::Milliseconds(600));
  CHECK(leases.Next() == kStart + absl::Milliseconds(600));
  leases.Shorten("a", kStart + absl::Seconds(1));
  CHECK(leases.EndOf("a") == kStart + absl::Milliseconds(600));
  leases.Shorten("b", kStart);
  CHECK(leases.Expired(kStart).empty());
  leases.Unshorten("a");
  CHECK(leases.EndOf("a") == kStart + absl::Seconds(2));
  CHECK(leases.Next() == kStart + absl::Seconds(2));
  leases.Unshorten("b");
  CHECK(leases.EndOf("b") == absl::InfinitePast());

  leases.Shorten("a", kStart + absl::Milliseconds(600));
  leases.Renew("a", kStart + absl::Milliseconds(500));
  CHECK(leases.EndOf("a") == kStart + absl::Milliseconds(2500));
}

}  // namespace
}  // namespace paceline
