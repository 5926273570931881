// What a worker tells Prometheus of itself and its jobs.
//
// Shapes   Series are bounded by the jobs that it trains just then.
// Threads  Pure.
// Source   docs/metrics.md.
#ifndef PACELINE_WORKER_AGENT_WORKER_METRICS_H_
#define PACELINE_WORKER_AGENT_WORKER_METRICS_H_

#include <string>
#include <vector>

#include "common/telemetry/metric_set.h"
#include "proto/control.pb.h"

namespace paceline {

// All that a worker knows, as of its last sync with the coordinator.
struct WorkerView {
  std::string id;
  std::string release;
  bool in_sync = false;  // The last sync was answered.
  std::vector<v1::WorkerJobReport> jobs;
};

void AddWorkerMetrics(const WorkerView& view, MetricSet* set);

// All that AddWorkerMetrics may add.
std::vector<MetricSpec> WorkerMetrics();

}  // namespace paceline

#endif  // PACELINE_WORKER_AGENT_WORKER_METRICS_H_
