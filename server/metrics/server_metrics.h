// The page of one server for Prometheus: what it holds and, while it coordinates, its fleet.
//
// Threads  Pure.
// Source   docs/metrics.md.
#ifndef PACELINE_SERVER_METRICS_SERVER_METRICS_H_
#define PACELINE_SERVER_METRICS_SERVER_METRICS_H_

#include <string>
#include <vector>

#include "absl/types/optional.h"
#include "common/telemetry/metric_set.h"
#include "proto/control.pb.h"

namespace paceline {

// The coordinator's answers, of one moment.
struct FleetView {
  v1::FleetStatus fleet;
  v1::ListJobsReply jobs;
};

// All that a server knows, of one moment.
struct ServerView {
  std::string id;
  std::string zone;
  std::string release;
  std::vector<v1::PartitionReport> partitions;
  absl::optional<FleetView> fleet;  // Nothing: it does not coordinate.
};

void AddServerMetrics(const ServerView& view, MetricSet* set);

// All that AddServerMetrics may add.
std::vector<MetricSpec> ServerMetrics();

}  // namespace paceline

#endif  // PACELINE_SERVER_METRICS_SERVER_METRICS_H_
