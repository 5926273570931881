// A worker process's standing conversation with the coordinator: registers, renews its lease,
// reports, and runs the jobs that directives give it. Stateless: what it holds, others can make
// again.
//
// Errors   An unreachable coordinator is asked again; a refusal that repeating cannot cure (another
//          release, an id that is none) ends Run.
// Threads  Run on one thread; Stop from any.
#ifndef PACELINE_WORKER_AGENT_AGENT_H_
#define PACELINE_WORKER_AGENT_AGENT_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "client/control_client.h"
#include "common/base/log.h"
#include "worker/agent/job_runner.h"
#include "worker/agent/worker_metrics.h"

namespace paceline {

struct AgentOptions {
  std::string id;           // Required; unique in the fleet.
  std::string coordinator;  // host:port[,host:port...]: ControlClient. Required.
  uint32_t slots = 1;       // Jobs at once. Range [1, 1024].
  JobRunnerOptions runner;
};

class Agent {
 public:
  // `logger` outlives the agent.
  Agent(AgentOptions options, Logger* logger);
  ~Agent();

  // Until Stop (OK: it has told the coordinator that it leaves) or a refusal that ends it.
  absl::Status Run();

  // Ends Run soon. Does nothing more the second time.
  void Stop();

  // For Prometheus, as of the last sync.
  WorkerView View() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  v1::WorkerSyncRequest MakeRequest();
  void Apply(const v1::WorkerSyncRequest& request, const v1::WorkerSyncReply& reply);
  void ApplyDirectives(const v1::WorkerSyncReply& reply);
  void StartAnew();
  void Note(const v1::WorkerSyncRequest& request, bool in_sync) ABSL_LOCKS_EXCLUDED(mutex_);
  void Leave();
  bool WaitFor(absl::Duration timeout);
  bool stopping();

  const AgentOptions options_;
  Logger* const logger_;
  ControlClient control_;

  // Of the thread in Run.
  v1::WorkerIdentity worker_;
  uint64_t known_version_ = 0;
  absl::Duration sync_interval_ = absl::Milliseconds(200);
  absl::Duration sync_slack_;
  std::map<std::string, std::unique_ptr<JobRunner>> runners_;

  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  WorkerView view_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace paceline

#endif  // PACELINE_WORKER_AGENT_AGENT_H_
