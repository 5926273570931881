#include "common/net/endpoint.h"

#include <catch2/catch.hpp>
#include <string>

namespace paceline {
namespace {

TEST_CASE("names, IPv4 and bracketed IPv6 addresses come back as they were written") {
  for (const char* text : {"127.0.0.1:50051", "node-7.example:1", "[::1]:65535", "[fe80::1]:80"}) {
    const auto endpoint = ParseEndpoint(text);
    REQUIRE(endpoint.ok());
    CHECK(endpoint->ToString() == text);
  }
  CHECK(ParseEndpoint("[::1]:80")->host == "::1");
}

TEST_CASE("port 0 is somewhere to listen, not somewhere to connect") {
  CHECK(ParseListenEndpoint("127.0.0.1:0")->port == 0);
  CHECK(absl::IsInvalidArgument(ParseEndpoint("127.0.0.1:0").status()));
}

TEST_CASE("what is not host:port is refused by name") {
  for (const char* text : {"",         ":",          "host",      "host:",
                           ":80",      "host:65536", "host:-1",   "host:+1",
                           "host: 80", "host:8x",    "::1:80",    "[::1]",
                           "[::1:80",  "[]:80",      "[name]:80", "256.0.0.1:80",
                           "1.2.3:80", "a..b:80",    "a b:80",    "http://host:80",
                           "[:80"}) {
    INFO(text);
    const absl::Status status = ParseListenEndpoint(text).status();
    CHECK(absl::IsInvalidArgument(status));
    CHECK(std::string(status.message()).find(text) != std::string::npos);
  }
}

TEST_CASE("loopback and wildcard addresses are known") {
  CHECK(ParseEndpoint("localhost:1")->IsLoopback());
  CHECK(ParseEndpoint("127.9.9.9:1")->IsLoopback());
  CHECK(ParseEndpoint("[::1]:1")->IsLoopback());
  CHECK_FALSE(ParseEndpoint("0.0.0.0:1")->IsLoopback());
  CHECK_FALSE(ParseEndpoint("10.0.0.1:1")->IsLoopback());
  CHECK_FALSE(ParseEndpoint("localhost.example:1")->IsLoopback());
  CHECK(ParseEndpoint("0.0.0.0:1")->IsWildcard());
  CHECK(ParseEndpoint("[::]:1")->IsWildcard());
  CHECK_FALSE(ParseEndpoint("127.0.0.1:1")->IsWildcard());
}

}  // namespace
}  // namespace paceline
