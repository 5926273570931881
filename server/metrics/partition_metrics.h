// What a server tells Prometheus of the copies of partitions that it holds.
//
// Shapes   Series are bounded by the copies held: of each one a few, and, of those that are
//          primaries, what only a primary knows. Counts are the partition's, not the server's: a
//          new primary goes on with them.
// Threads  Pure.
// Source   docs/metrics.md.
#ifndef PACELINE_SERVER_METRICS_PARTITION_METRICS_H_
#define PACELINE_SERVER_METRICS_PARTITION_METRICS_H_

#include <string>
#include <vector>

#include "common/telemetry/metric_set.h"
#include "proto/control.pb.h"

namespace paceline {

// `reports` are of PartitionHost::Report on the server of that id.
void AddPartitionMetrics(const std::string& server, const std::vector<v1::PartitionReport>& reports,
                         MetricSet* set);

// All that AddPartitionMetrics may add.
std::vector<MetricSpec> PartitionMetrics();

}  // namespace paceline

#endif  // PACELINE_SERVER_METRICS_PARTITION_METRICS_H_
