#include "server/metrics/fleet_metrics.h"

#include <map>
#include <string>

#include "absl/strings/ascii.h"

namespace paceline {
namespace {

constexpr MetricSpec kServers = {
    "paceline_fleet_servers", MetricType::kGauge, "state",
    "Servers by state: serving, draining, drained, or silent (no sync for a second)."};
constexpr MetricSpec kServerLease = {"paceline_fleet_server_lease_left_seconds", MetricType::kGauge,
                                     "server",
                                     "Time until the server is given up unless it syncs."};
constexpr MetricSpec kServerPrimaries = {"paceline_fleet_server_primaries", MetricType::kGauge,
                                         "server", "Partitions that the server is primary of."};
constexpr MetricSpec kServerReplicas = {"paceline_fleet_server_replicas", MetricType::kGauge,
                                        "server",
                                        "Copies of partitions on the server, primaries included."};
constexpr MetricSpec kServerElements = {"paceline_fleet_server_elements", MetricType::kGauge,
                                        "server", "Parameter elements in those copies."};
constexpr MetricSpec kWorkers = {
    "paceline_fleet_workers", MetricType::kGauge, "state",
    "Workers by state: training, evaluating, loading, idle, or client (a library client)."};
constexpr MetricSpec kWorkerLease = {"paceline_fleet_worker_lease_left_seconds", MetricType::kGauge,
                                     "worker",
                                     "Time until the worker is given up unless it syncs."};
constexpr MetricSpec kJobs = {"paceline_jobs", MetricType::kGauge, "state",
                              "Jobs by state; of the ended ones, those still remembered."};
constexpr MetricSpec kStoreUp = {"paceline_store_up", MetricType::kGauge, "",
                                 "1: the coordinator's store can be written; 0: it cannot."};
constexpr MetricSpec kStoreDown = {"paceline_store_down_seconds", MetricType::kGauge, "",
                                   "How long the store could not be written; 0: it can be."};

using Counts = std::map<std::string, double>;

void AddCounts(const MetricSpec& spec, const Counts& counts, MetricSet* set) {
  for (const auto& [state, count] : counts) set->Add(spec, count, {state});
}

void AddServers(const v1::FleetStatus& fleet, MetricSet* set) {
  Counts counts = {{"serving", 0}, {"draining", 0}, {"drained", 0}, {"silent", 0}};
  for (const v1::ServerStatus& server : fleet.servers()) {
    // The state of a silent one is a sentence.
    const auto state = counts.find(server.state());
    ++(state == counts.end() ? counts["silent"] : state->second);
    const MetricSet::LabelValues id = {server.server().id()};
    set->Add(kServerLease, server.lease_left_s(), id);
    set->Add(kServerPrimaries, static_cast<double>(server.partitions()), id);
    set->Add(kServerReplicas, static_cast<double>(server.replicas()), id);
    set->Add(kServerElements, static_cast<double>(server.elements()), id);
  }
  AddCounts(kServers, counts, set);
}

void AddWorkers(const v1::FleetStatus& fleet, MetricSet* set) {
  Counts counts = {{"training", 0}, {"evaluating", 0}, {"loading", 0}, {"idle", 0}, {"client", 0}};
  for (const v1::WorkerStatus& worker : fleet.workers()) {
    // The state of one that has gone is a sentence.
    const auto state = counts.find(worker.state());
    if (state == counts.end()) continue;
    ++state->second;
    set->Add(kWorkerLease, worker.lease_left_s(), {worker.worker().id()});
  }
  AddCounts(kWorkers, counts, set);
}

void AddJobs(const v1::ListJobsReply& jobs, MetricSet* set) {
  Counts counts;
  for (int state = v1::WAITING; state <= v1::CANCELLED; ++state) {
    counts[absl::AsciiStrToLower(v1::JobState_Name(static_cast<v1::JobState>(state)))] = 0;
  }
  for (const v1::JobStatus& job : jobs.jobs()) {
    ++counts[absl::AsciiStrToLower(v1::JobState_Name(job.state()))];
  }
  AddCounts(kJobs, counts, set);
}

}  // namespace

void AddFleetMetrics(const v1::FleetStatus& fleet, const v1::ListJobsReply& jobs, MetricSet* set) {
  AddServers(fleet, set);
  AddWorkers(fleet, set);
  AddJobs(jobs, set);
  set->Add(kStoreUp, fleet.store_error().empty());
  set->Add(kStoreDown, fleet.store_error_s());
}

std::vector<MetricSpec> FleetMetrics() {
  return {kServers,     kServerLease, kServerPrimaries, kServerReplicas, kServerElements, kWorkers,
          kWorkerLease, kJobs,        kStoreUp,         kStoreDown};
}

}  // namespace paceline
