#include "common/net/metrics_page.h"

#include <catch2/catch.hpp>

#include "absl/status/status.h"
#include "absl/strings/match.h"

namespace paceline {
namespace {

TEST_CASE("a port alone is this machine's; anything else names its host") {
  CHECK(ParseMetricsAddress("9464")->ToString() == "127.0.0.1:9464");
  CHECK(ParseMetricsAddress("0")->ToString() == "127.0.0.1:0");
  CHECK(ParseMetricsAddress("0.0.0.0:9464")->ToString() == "0.0.0.0:9464");
  CHECK(ParseMetricsAddress("[::1]:9464")->ToString() == "[::1]:9464");
}

TEST_CASE("what is no address is refused with what was wanted") {
  for (const char* text : {"", "99999", "host", ":9464", "host:", "host:x", "::1:9464"}) {
    INFO(text);
    const absl::Status status = ParseMetricsAddress(text).status();
    CHECK(absl::IsInvalidArgument(status));
    CHECK(absl::StrContains(status.message(), "--metrics"));
  }
}

TEST_CASE("the page is at /metrics") {
  const auto page = CreateMetricsPage({"127.0.0.1", 0});
  REQUIRE(page.ok());
  CHECK(absl::StartsWith((*page)->url(), "http://127.0.0.1:"));
  CHECK(absl::EndsWith((*page)->url(), "/metrics"));
  CHECK_FALSE(absl::EndsWith((*page)->url(), ":0/metrics"));
}

}  // namespace
}  // namespace paceline
