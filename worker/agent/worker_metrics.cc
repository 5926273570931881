#include "worker/agent/worker_metrics.h"

namespace paceline {
namespace {

constexpr absl::string_view kOfJob = "job_name,worker";

constexpr MetricSpec kInfo = {"paceline_worker_info", MetricType::kGauge, "worker,release",
                              "1; its labels tell who the worker is."};
constexpr MetricSpec kInSync = {"paceline_worker_in_sync", MetricType::kGauge, "worker",
                                "1: the coordinator has answered the worker's last sync."};
constexpr MetricSpec kClock = {"paceline_worker_clock", MetricType::kGauge, kOfJob,
                               "Iterations whose exchange is complete."};
constexpr MetricSpec kSamples = {"paceline_worker_samples_total", MetricType::kCounter, kOfJob,
                                 "Samples that the worker has computed gradients of."};
constexpr MetricSpec kCompute = {"paceline_worker_compute_seconds_total", MetricType::kCounter,
                                 kOfJob, "Time in forward and backward passes."};
constexpr MetricSpec kWait = {"paceline_worker_wait_seconds_total", MetricType::kCounter, kOfJob,
                              "Time that the worker waited for others."};
constexpr MetricSpec kTransfer = {"paceline_worker_transfer_seconds_total", MetricType::kCounter,
                                  kOfJob, "Time that gradients and parameters were on their way."};
constexpr MetricSpec kPushed = {"paceline_worker_pushed_bytes_total", MetricType::kCounter, kOfJob,
                                "Bytes of gradients sent."};
constexpr MetricSpec kPulled = {"paceline_worker_pulled_bytes_total", MetricType::kCounter, kOfJob,
                                "Bytes of parameters received."};
constexpr MetricSpec kFailed = {
    "paceline_worker_job_failed", MetricType::kGauge, kOfJob,
    "1: the worker cannot work on the job; `paceline status` says why."};

}  // namespace

void AddWorkerMetrics(const WorkerView& view, MetricSet* set) {
  set->Add(kInfo, 1, {view.id, view.release});
  set->Add(kInSync, view.in_sync, {view.id});
  for (const v1::WorkerJobReport& job : view.jobs) {
    const MetricSet::LabelValues labels = {job.job(), view.id};
    set->Add(kClock, static_cast<double>(job.clock()), labels);
    set->Add(kSamples, static_cast<double>(job.samples()), labels);
    set->Add(kCompute, job.compute_s(), labels);
    set->Add(kWait, job.wait_s(), labels);
    set->Add(kTransfer, job.transfer_s(), labels);
    set->Add(kPushed, static_cast<double>(job.bytes_pushed()), labels);
    set->Add(kPulled, static_cast<double>(job.bytes_pulled()), labels);
    set->Add(kFailed, !job.error().empty(), labels);
  }
}

std::vector<MetricSpec> WorkerMetrics() {
  return {kInfo, kInSync, kCompute, kTransfer, kWait, kSamples, kClock, kPushed, kPulled, kFailed};
}

}  // namespace paceline
