// paceline-worker: computes gradients for the jobs that a fleet's coordinator gives it. Exit codes:
// 0 ended by SIGTERM or SIGINT; 1 it could not start, or was refused for good; 2 the command line
// is wrong; 128 + n a second signal n ended it at once.
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/synchronization/notification.h"
#include "common/base/log.h"
#include "common/base/signals.h"
#include "common/base/status_macros.h"
#include "common/base/version.h"
#include "common/net/http_page.h"
#include "common/net/metrics_page.h"
#include "common/net/transport.h"
#include "common/telemetry/metric_set.h"
#include "common/telemetry/process_metrics.h"
#include "kernels/backend.h"
#include "worker/agent/agent.h"
#include "worker/agent/worker_metrics.h"
#include "worker/flags.h"

namespace {

std::string Metrics(paceline::Agent* agent) {
  paceline::MetricSet set;
  paceline::AddWorkerMetrics(agent->View(), &set);
  paceline::AddProcessMetrics(paceline::ReadProcess(), &set);
  return set.Text();
}

absl::Status Work(const paceline::WorkerFlags& flags, paceline::Logger* logger,
                  const sigset_t& signals) {
  paceline::Agent agent(flags.agent, logger);
  std::unique_ptr<paceline::HttpPage> metrics;
  if (flags.metrics.has_value()) {
    ASSIGN_OR_RETURN(metrics, paceline::CreateMetricsPage(*flags.metrics));
    metrics->Serve([&agent] { return Metrics(&agent); });
    logger->Log(paceline::LogLevel::kInfo, "serving metrics", {{"url", metrics->url()}});
  }
  absl::Status ended;
  absl::Notification stopped;
  std::thread runner([&] {
    ended = agent.Run();
    stopped.Notify();
    if (!ended.ok()) ::kill(::getpid(), SIGTERM);  // It ended by itself: wake main.
  });
  int signal = 0;
  sigwait(&signals, &signal);
  agent.Stop();
  paceline::EndOnSecondSignal(signals, &stopped);
  runner.join();
  return ended;
}

int Fail(const absl::Status& status, int code) {
  std::fprintf(stderr, "paceline-worker: %s\n", std::string(status.message()).c_str());
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  paceline::SetUpProcess();
  const sigset_t signals = paceline::BlockStopSignals();
  const auto flags = paceline::ParseWorkerFlags(argc, argv);
  if (!flags.ok()) return Fail(flags.status(), 2);
  if (!flags->answer.empty()) {
    std::printf("%s\n", flags->answer.c_str());
    return 0;
  }
  const auto logger = paceline::Logger::Create(flags->log);
  if (!logger.ok()) return Fail(logger.status(), 1);

  // Told at start, not when the first job comes.
  const auto kernels = paceline::kernels::CreateKernels(flags->agent.runner.backend);
  if (!kernels.ok()) return Fail(kernels.status(), 1);
  (*logger)->Log(paceline::LogLevel::kInfo, "ready",
                 {{"release", paceline::kRelease},
                  {"backend", (*kernels)->description()},
                  {"kernel_signature", (*kernels)->signature()}});

  const absl::Status ended = Work(*flags, logger->get(), signals);
  return ended.ok() ? 0 : Fail(ended, 1);
}
