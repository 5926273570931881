// What the coordinator tells Prometheus of its jobs.
//
// Shapes   Series are bounded by the jobs that the coordinator remembers; of one that has ended
// only
//          what it came to, of one that goes on also its partitions' copies, checkpoints and the
//          worker that it waits for.
// Threads  Pure.
// Source   docs/metrics.md.
#ifndef PACELINE_SERVER_METRICS_JOB_METRICS_H_
#define PACELINE_SERVER_METRICS_JOB_METRICS_H_

#include <vector>

#include "common/telemetry/metric_set.h"
#include "proto/control.pb.h"

namespace paceline {

void AddJobMetrics(const v1::JobStatus& job, MetricSet* set);

// All that AddJobMetrics may add.
std::vector<MetricSpec> JobMetrics();

}  // namespace paceline

#endif  // PACELINE_SERVER_METRICS_JOB_METRICS_H_
