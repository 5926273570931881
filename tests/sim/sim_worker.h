// A worker process: the real JobLoop and Session behind the conversation of worker/agent, with a
// FakeTrainer for its numbers.
//
// Threads  One thread at a time.
#ifndef PACELINE_TESTS_SIM_SIM_WORKER_H_
#define PACELINE_TESTS_SIM_SIM_WORKER_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "proto/control.pb.h"
#include "tests/sim/control_line.h"
#include "tests/sim/event_queue.h"
#include "tests/sim/fake_trainer.h"
#include "tests/sim/network.h"
#include "tests/sim/oracle.h"
#include "tests/sim/scenario.h"
#include "tests/sim/sim_server.h"
#include "worker/loop/job_loop.h"

namespace paceline::sim {

class SimWorker {
 public:
  SimWorker(const std::string& id, WorkerPlan plan, const World* world);
  ~SimWorker();

  Node* node() { return &node_; }
  void Start();
  void Kill();
  // Says goodbye and ends.
  void Leave();
  // Its computations take `factor` times as long.
  void SetSlowness(double factor) { slowness_ = factor; }

  bool HasJobs() const { return !runners_.empty(); }
  // What it is at, for people.
  std::string Doing() const;

 private:
  // One job, as worker/agent/job_runner.
  class Runner;

  v1::WorkerSyncRequest MakeRequest() const;
  void Sync();
  void OnSynced(const v1::WorkerSyncRequest& request, const absl::Status& status,
                const v1::WorkerSyncReply* reply);
  void ApplyDirectives(const v1::WorkerSyncReply& reply);

  const WorkerPlan plan_;
  const World* const world_;
  Node node_;
  ControlLine control_;
  double slowness_ = 1;

  v1::WorkerIdentity identity_;
  uint64_t known_version_ = 0;
  absl::Duration interval_;
  absl::Duration slack_;
  std::map<std::string, std::shared_ptr<Runner>> runners_;
};

}  // namespace paceline::sim

#endif  // PACELINE_TESTS_SIM_SIM_WORKER_H_
