#include "tests/metrics/metrics_reference.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/telemetry/process_metrics.h"
#include "server/metrics/server_metrics.h"
#include "worker/agent/worker_metrics.h"

namespace paceline {
namespace {

constexpr char kBegin[] = "<!-- metrics: written by //tests/metrics:write_metrics_reference -->\n";
constexpr char kEnd[] = "<!-- end of metrics -->\n";

std::string Table(const std::string& title, const std::vector<MetricSpec>& metrics) {
  std::string table = absl::StrCat("\n### ", title,
                                   "\n\n| metric | type | labels | meaning |\n|---|---|---|---|\n");
  for (const MetricSpec& metric : metrics) {
    absl::StrAppend(&table, "| `", metric.name, "` | ", MetricTypeName(metric.type), " | ",
                    absl::StrJoin(LabelNames(metric), ", "), " | ", metric.help, " |\n");
  }
  return table;
}

}  // namespace

std::vector<MetricSpec> AllMetrics() {
  std::vector<MetricSpec> all;
  for (const auto& some : {ServerMetrics(), WorkerMetrics(), ProcessMetrics()}) {
    all.insert(all.end(), some.begin(), some.end());
  }
  return all;
}

absl::StatusOr<std::string> WithMetricsReference(const std::string& page) {
  const size_t begin = page.find(kBegin);
  const size_t end = page.find(kEnd);
  if (begin == std::string::npos || end == std::string::npos || end < begin) {
    return absl::InvalidArgumentError(
        absl::StrCat("the page lacks a line ", kBegin, "or, behind it, ", kEnd));
  }
  return absl::StrCat(page.substr(0, begin), kBegin, Table("paceline-server", ServerMetrics()),
                      Table("paceline-worker", WorkerMetrics()), Table("both", ProcessMetrics()),
                      "\n", page.substr(end));
}

}  // namespace paceline
