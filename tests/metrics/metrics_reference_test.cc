#include "tests/metrics/metrics_reference.h"

#include <catch2/catch.hpp>
#include <fstream>
#include <iterator>
#include <set>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"

namespace paceline {
namespace {

TEST_CASE("docs/metrics.md lists the metrics that there are, as they are") {
  std::ifstream file("docs/metrics.md", std::ios::binary);
  const std::string page(std::istreambuf_iterator<char>(file), {});

  const auto wanted = WithMetricsReference(page);

  REQUIRE(wanted.ok());
  INFO(
      "to write it again: bazel run //tests/metrics:write_metrics_reference -- "
      "$PWD/docs/metrics.md");
  const bool is_current = page == *wanted;
  CHECK(is_current);
}

TEST_CASE("names are Prometheus's: unique, with a prefix, counters in _total, base units") {
  std::set<std::string> names;
  for (const MetricSpec& metric : AllMetrics()) {
    const std::string name(metric.name);
    INFO(name);
    CHECK(names.insert(name).second);
    CHECK((absl::StartsWith(name, "paceline_") || absl::StartsWith(name, "process_")));
    CHECK(absl::EndsWith(name, "_total") == (metric.type == MetricType::kCounter));
    CHECK_FALSE(absl::StrContains(name, "milli"));
    CHECK_FALSE(metric.help.empty());
    CHECK_FALSE(absl::StrContains(metric.help, "|"));
    for (const std::string& label : LabelNames(metric)) {
      // Prometheus gives each target's series these two itself.
      CHECK(label != "job");
      CHECK(label != "instance");
    }
  }
}

TEST_CASE("a page without the marks is refused") {
  CHECK(absl::IsInvalidArgument(WithMetricsReference("# Metrics\n").status()));
}

}  // namespace
}  // namespace paceline
