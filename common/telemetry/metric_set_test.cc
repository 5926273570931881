#include "common/telemetry/metric_set.h"

#include <catch2/catch.hpp>
#include <limits>

namespace paceline {
namespace {

constexpr MetricSpec kHeat = {"test_heat_celsius", MetricType::kGauge, "", "How hot it is."};
constexpr MetricSpec kCalls = {"test_calls_total", MetricType::kCounter, "who,why", "Calls."};
constexpr MetricSpec kDelay = {"test_delay", MetricType::kHistogram, "who", "Delays."};

TEST_CASE("a page has each metric's help and type once, and its samples in order of their labels") {
  MetricSet set;
  set.Add(kHeat, -2.5);
  set.Add(kCalls, 2, {"b", "x"});
  set.Add(kCalls, 1, {"a", "y"});

  CHECK(set.Text() ==
        "# HELP test_calls_total Calls.\n"
        "# TYPE test_calls_total counter\n"
        "test_calls_total{who=\"a\",why=\"y\"} 1\n"
        "test_calls_total{who=\"b\",why=\"x\"} 2\n"
        "# HELP test_heat_celsius How hot it is.\n"
        "# TYPE test_heat_celsius gauge\n"
        "test_heat_celsius -2.5\n");
  CHECK(set.Names() == std::vector<std::string>{"test_calls_total", "test_heat_celsius"});
}

TEST_CASE("a histogram's buckets are cumulative and its count is all of them") {
  MetricSet set;
  set.AddHistogram(kDelay, {0, 1}, {4, 0, 3}, {"w"});

  CHECK(set.Text() ==
        "# HELP test_delay Delays.\n"
        "# TYPE test_delay histogram\n"
        "test_delay_bucket{who=\"w\",le=\"0\"} 4\n"
        "test_delay_bucket{who=\"w\",le=\"1\"} 4\n"
        "test_delay_bucket{who=\"w\",le=\"+Inf\"} 7\n"
        "test_delay_count{who=\"w\"} 7\n");
}

TEST_CASE("a sample with the same labels replaces the one before") {
  MetricSet set;
  set.Add(kCalls, 1, {"a", "x"});
  set.Add(kCalls, 5, {"a", "x"});

  CHECK(set.Find("test_calls_total", {"a", "x"}) == 5.0);
  CHECK_FALSE(set.Find("test_calls_total", {"b", "x"}).has_value());
  CHECK_FALSE(set.Find("test_heat_celsius").has_value());
  CHECK(set.Text().find("} 1\n") == std::string::npos);
}

TEST_CASE("quotes, backslashes and newlines in a label cannot end it") {
  MetricSet set;
  set.Add(kCalls, 1, {"a\"} 9\n", "\\"});

  CHECK(set.Text().find("test_calls_total{who=\"a\\\"} 9\\n\",why=\"\\\\\"} 1\n") !=
        std::string::npos);
}

TEST_CASE("numbers are written so that they read back as they were") {
  const auto text = [](double value) {
    MetricSet set;
    set.Add(kHeat, value);
    const std::string page = set.Text();
    return page.substr(page.rfind(' ') + 1);
  };
  CHECK(text(0.1) == "0.1\n");
  CHECK(text(9007199254740992.0) == "9007199254740992\n");
  CHECK(text(std::numeric_limits<double>::infinity()) == "+Inf\n");
  CHECK(text(-std::numeric_limits<double>::infinity()) == "-Inf\n");
  CHECK(text(std::numeric_limits<double>::quiet_NaN()) == "NaN\n");
}

}  // namespace
}  // namespace paceline
