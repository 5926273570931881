// Runs one job on this worker: gives its JobLoop threads, time, the network and a Trainer.
//
// Errors   Whatever ends the work for good is in Report().error.
// Threads  Safe from any. Two threads of its own: one for the loop's events, one for the numbers.
#ifndef PACELINE_WORKER_AGENT_JOB_RUNNER_H_
#define PACELINE_WORKER_AGENT_JOB_RUNNER_H_

#include <memory>
#include <string>

#include "common/base/log.h"
#include "kernels/backend.h"
#include "proto/control.pb.h"

namespace paceline {

struct JobRunnerOptions {
  kernels::BackendChoice backend = kernels::BackendChoice::kAuto;
  // Every computation takes this many times as long: 1 is as fast as the machine; more plays a slow
  // machine in experiments. >= 1.
  double slowdown = 1;
};

class JobRunner {
 public:
  // Starts reading the data of `first.spec`. `coordinator` is host:port; `logger` outlives the
  // runner.
  JobRunner(const v1::WorkerIdentity& worker, const v1::JobDirective& first,
            const std::string& coordinator, Logger* logger, JobRunnerOptions options);
  // Ends both threads and cancels the calls; a computation in progress is finished first.
  ~JobRunner();

  void OnDirective(const v1::JobDirective& directive);
  // What the coordinator has taken of an earlier Report.
  void OnReported(const v1::WorkerJobReport& report);
  v1::WorkerJobReport Report() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace paceline

#endif  // PACELINE_WORKER_AGENT_JOB_RUNNER_H_
