#include "server/metrics/server_metrics.h"

#include "server/metrics/fleet_metrics.h"
#include "server/metrics/job_metrics.h"
#include "server/metrics/partition_metrics.h"

namespace paceline {
namespace {

constexpr MetricSpec kInfo = {"paceline_server_info", MetricType::kGauge, "server,zone,release",
                              "1; its labels tell who the server is."};
constexpr MetricSpec kIsCoordinator = {"paceline_server_is_coordinator", MetricType::kGauge,
                                       "server", "1: the server coordinates the fleet."};

}  // namespace

void AddServerMetrics(const ServerView& view, MetricSet* set) {
  set->Add(kInfo, 1, {view.id, view.zone, view.release});
  set->Add(kIsCoordinator, view.fleet.has_value(), {view.id});
  AddPartitionMetrics(view.id, view.partitions, set);
  if (!view.fleet.has_value()) return;
  AddFleetMetrics(view.fleet->fleet, view.fleet->jobs, set);
  for (const v1::JobStatus& job : view.fleet->jobs.jobs()) AddJobMetrics(job, set);
}

std::vector<MetricSpec> ServerMetrics() {
  std::vector<MetricSpec> all = {kInfo, kIsCoordinator};
  for (const auto& some : {FleetMetrics(), JobMetrics(), PartitionMetrics()}) {
    all.insert(all.end(), some.begin(), some.end());
  }
  return all;
}

}  // namespace paceline
