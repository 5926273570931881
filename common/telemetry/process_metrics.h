// What Linux knows of this process, under the names that every Prometheus client library uses.
//
// Units    Seconds, bytes; start_time in seconds since 1970.
// Errors   What cannot be read is left out.
// Threads  Pure, but for ReadProcess, which reads files of /proc.
// Source   proc(5); https://prometheus.io/docs/instrumenting/writing_clientlibs/#process-metrics
#ifndef PACELINE_COMMON_TELEMETRY_PROCESS_METRICS_H_
#define PACELINE_COMMON_TELEMETRY_PROCESS_METRICS_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "common/telemetry/metric_set.h"

namespace paceline {

// As the system has it; whatever is not known is empty or absent.
struct ProcessFacts {
  std::string stat;    // /proc/self/stat.
  std::string system;  // /proc/stat, of which the boot time counts.
  absl::optional<double> open_fds;
  absl::optional<double> max_fds;
  double ticks_per_second = 100;
  double page_bytes = 4096;
};

ProcessFacts ReadProcess();

void AddProcessMetrics(const ProcessFacts& facts, MetricSet* set);

// All that AddProcessMetrics may add.
std::vector<MetricSpec> ProcessMetrics();

}  // namespace paceline

#endif  // PACELINE_COMMON_TELEMETRY_PROCESS_METRICS_H_
