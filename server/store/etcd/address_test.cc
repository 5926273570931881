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
      "etcds://a:1",
      "etcd://root:secret@a:1",
  };

  for (const std::string& text : wrong) {
    INFO(text);
    CHECK(ParseEtcdAddress(text).status().code() == absl::StatusCode::kInvalidArgument);
  }
}

TEST_CASE("TLS and a user are refused as what they are, and no password is repeated") {
  CHECK(NamesEtcd("etcd://a:1"));
  CHECK(NamesEtcd("etcds://a:1"));
  CHECK_FALSE(NamesEtcd("sqlite:etcd"));

  const std::string tls(ParseEtcdAddress("etcds://root:secret@a:1").status().message());
  CHECK(tls.find("etcd over TLS, which is not served; wanted etcd://HOST:PORT") !=
        std::string::npos);
  CHECK(tls.find("secret") == std::string::npos);
  const std::string user(ParseEtcdAddress("etcd://root:secret@a:1").status().message());
  CHECK(user.find("a user and password") != std::string::npos);
  CHECK(user.find("secret") == std::string::npos);
}

}  // namespace
}  // namespace paceline
