// What the coordinator tells Prometheus of its fleet: servers, workers, jobs by state, the store.
//
// Shapes   Series are bounded by the servers and workers that are alive.
// Threads  Pure.
// Source   docs/metrics.md.
#ifndef PACELINE_SERVER_METRICS_FLEET_METRICS_H_
#define PACELINE_SERVER_METRICS_FLEET_METRICS_H_

#include <vector>

#include "common/telemetry/metric_set.h"
#include "proto/control.pb.h"

namespace paceline {

void AddFleetMetrics(const v1::FleetStatus& fleet, const v1::ListJobsReply& jobs, MetricSet* set);

// All that AddFleetMetrics may add.
std::vector<MetricSpec> FleetMetrics();

}  // namespace paceline

#endif  // PACELINE_SERVER_METRICS_FLEET_METRICS_H_
