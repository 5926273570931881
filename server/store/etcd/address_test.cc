#include "server/store/etcd/address.h"

#include <catch2/catch.hpp>
#include <string>

namespace paceline {
namespace {

TEST_CASE("an address names endpoints and a prefix that ends with a slash") {
  const auto one = ParseEtcdAddress("etcd://127.0.0.1:2379");
  const auto three = ParseEtcdAddress("etcd://a:1,[::1]:2,c:3/fleets/blue");
  const auto slash = ParseEtcdAddress("etcd://a:1/blue/");

  REQUIRE(one.ok());
  CHECK(one->endpoints == std::vector<std::string>{"127.0.0.1:2379"});
  CHECK(one->prefix == "paceline/");
  CHECK(one->LeaderKey() == "paceline/coordinator-leader");
  REQUIRE(three.ok());
  CHECK(three->endpoints == std::vector<std::string>{"a:1", "[::1]:2", "c:3"});
  CHECK(three->prefix == "fleets/blue/");
  REQUIRE(slash.ok());
  CHECK(slash->prefix == "blue/");
}

TEST_CASE("what is not an etcd address is refused with what was seen") {
  const std::string wrong[] = {
      "",
      "sqlite:x",
      "etcd://",
      "etcd://a",
      "etcd://a:0",
      "etcd://a:1,",
      "etcd://a:1,a:1",
      "etcd:///prefix",
      "http://a:1",
      "etcd://a:1/" + std::string(257, 'p'),
  };

  for (const std::string& text : wrong) {
    INFO(text);
    CHECK(ParseEtcdAddress(text).status().code() == absl::StatusCode::kInvalidArgument);
  }
}

}  // namespace
}  // namespace paceline
