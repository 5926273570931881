#include "server/metrics/fleet_metrics.h"

#include <algorithm>
#include <catch2/catch.hpp>

namespace paceline {
namespace {

v1::ServerStatus Server(const std::string& id, const std::string& state) {
  v1::ServerStatus server;
  server.mutable_server()->set_id(id);
  server.set_state(state);
  server.set_lease_left_s(1.5);
  server.set_partitions(2);
  server.set_replicas(5);
  server.set_elements(1000);
  return server;
}

v1::WorkerStatus Worker(const std::string& id, const std::string& state) {
  v1::WorkerStatus worker;
  worker.mutable_worker()->set_id(id);
  worker.set_state(state);
  worker.set_lease_left_s(1.25);
  return worker;
}

TEST_CASE("servers, workers and jobs are counted by state, states without any included") {
  v1::FleetStatus fleet;
  *fleet.add_servers() = Server("s1", "serving");
  *fleet.add_servers() = Server("s2", "no sync for 1.2 s");
  *fleet.add_workers() = Worker("w1", "training");
  *fleet.add_workers() = Worker("w2", "training");
  *fleet.add_workers() = Worker("w3", "expired 3.2 s ago");
  v1::ListJobsReply jobs;
  jobs.add_jobs()->set_state(v1::RUNNING);
  jobs.add_jobs()->set_state(v1::FINISHED);
  jobs.add_jobs()->set_state(v1::FINISHED);
  MetricSet set;
  AddFleetMetrics(fleet, jobs, &set);

  CHECK(set.Find("paceline_fleet_servers", {"serving"}) == 1.0);
  CHECK(set.Find("paceline_fleet_servers", {"silent"}) == 1.0);
  CHECK(set.Find("paceline_fleet_servers", {"draining"}) == 0.0);
  CHECK(set.Find("paceline_fleet_server_lease_left_seconds", {"s2"}) == 1.5);
  CHECK(set.Find("paceline_fleet_server_primaries", {"s1"}) == 2.0);
  CHECK(set.Find("paceline_fleet_server_replicas", {"s1"}) == 5.0);
  CHECK(set.Find("paceline_fleet_server_elements", {"s1"}) == 1000.0);
  CHECK(set.Find("paceline_fleet_workers", {"training"}) == 2.0);
  CHECK(set.Find("paceline_fleet_workers", {"idle"}) == 0.0);
  CHECK(set.Find("paceline_fleet_worker_lease_left_seconds", {"w1"}) == 1.25);
  CHECK_FALSE(set.Find("paceline_fleet_worker_lease_left_seconds", {"w3"}).has_value());
  CHECK(set.Find("paceline_jobs", {"running"}) == 1.0);
  CHECK(set.Find("paceline_jobs", {"finished"}) == 2.0);
  CHECK(set.Find("paceline_jobs", {"waiting"}) == 0.0);

  std::vector<std::string> listed;
  for (const MetricSpec& spec : FleetMetrics()) listed.emplace_back(spec.name);
  std::sort(listed.begin(), listed.end());
  CHECK(set.Names() == listed);
}

TEST_CASE("a store that cannot be written is down, for as long as it has been") {
  v1::FleetStatus fleet;
  MetricSet well;
  AddFleetMetrics(fleet, {}, &well);
  fleet.set_store_error("no space");
  fleet.set_store_error_s(12.5);
  MetricSet broken;
  AddFleetMetrics(fleet, {}, &broken);

  CHECK(well.Find("paceline_store_up") == 1.0);
  CHECK(well.Find("paceline_store_down_seconds") == 0.0);
  CHECK(broken.Find("paceline_store_up") == 0.0);
  CHECK(broken.Find("paceline_store_down_seconds") == 12.5);
}

}  // namespace
}  // namespace paceline
