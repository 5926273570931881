// Every metric of every program, and the tables of docs/metrics.md that list them.
//
// Errors   InvalidArgument: a page without the marks that the tables stand between.
// Threads  Pure.
#ifndef PACELINE_TESTS_METRICS_METRICS_REFERENCE_H_
#define PACELINE_TESTS_METRICS_METRICS_REFERENCE_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/telemetry/metric_set.h"

namespace paceline {

// Of paceline-server, paceline-worker, and both.
std::vector<MetricSpec> AllMetrics();

// `page` with its tables written anew.
absl::StatusOr<std::string> WithMetricsReference(const std::string& page);

}  // namespace paceline

#endif  // PACELINE_TESTS_METRICS_METRICS_REFERENCE_H_
