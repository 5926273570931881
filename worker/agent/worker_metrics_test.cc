#include "worker/agent/worker_metrics.h"

#include <algorithm>
#include <catch2/catch.hpp>

namespace paceline {
namespace {

TEST_CASE("a worker tells who it is, and of each of its jobs where the time went") {
  WorkerView view;
  view.id = "w1";
  view.release = "0.1.0";
  view.in_sync = true;
  v1::WorkerJobReport job;
  job.set_job("mnist-1");
  job.set_clock(7);
  job.set_samples(640);
  job.set_compute_s(1.5);
  job.set_wait_s(0.25);
  job.set_transfer_s(0.5);
  job.set_bytes_pushed(1000);
  job.set_bytes_pulled(2000);
  view.jobs.push_back(job);
  job.set_job("broken-2");
  job.set_error("no such file");
  view.jobs.push_back(job);
  MetricSet set;
  AddWorkerMetrics(view, &set);

  CHECK(set.Find("paceline_worker_info", {"w1", "0.1.0"}) == 1.0);
  CHECK(set.Find("paceline_worker_in_sync", {"w1"}) == 1.0);
  const MetricSet::LabelValues labels = {"mnist-1", "w1"};
  CHECK(set.Find("paceline_worker_clock", labels) == 7.0);
  CHECK(set.Find("paceline_worker_samples_total", labels) == 640.0);
  CHECK(set.Find("paceline_worker_compute_seconds_total", labels) == 1.5);
  CHECK(set.Find("paceline_worker_wait_seconds_total", labels) == 0.25);
  CHECK(set.Find("paceline_worker_transfer_seconds_total", labels) == 0.5);
  CHECK(set.Find("paceline_worker_pushed_bytes_total", labels) == 1000.0);
  CHECK(set.Find("paceline_worker_pulled_bytes_total", labels) == 2000.0);
  CHECK(set.Find("paceline_worker_job_failed", labels) == 0.0);
  CHECK(set.Find("paceline_worker_job_failed", {"broken-2", "w1"}) == 1.0);

  std::vector<std::string> listed;
  for (const MetricSpec& spec : WorkerMetrics()) listed.emplace_back(spec.name);
  std::sort(listed.begin(), listed.end());
  CHECK(set.Names() == listed);
}

TEST_CASE("a worker without a job, and without a coordinator, says so") {
  WorkerView view;
  view.id = "w1";
  MetricSet set;
  AddWorkerMetrics(view, &set);

  CHECK(set.Find("paceline_worker_in_sync", {"w1"}) == 0.0);
  CHECK(set.Names() == std::vector<std::string>{"paceline_worker_in_sync", "paceline_worker_info"});
}

}  // namespace
}  // namespace paceline
