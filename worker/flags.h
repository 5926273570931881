// The command line of paceline-worker, its environment (PACELINE_WORKER_<NAME>) and its
// configuration file (common/base/daemon_flags.h).
//
// Errors   InvalidArgument, in a sentence for the person who typed it.
// Threads  Reads the environment; call it before there are other threads.
#ifndef PACELINE_WORKER_FLAGS_H_
#define PACELINE_WORKER_FLAGS_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/types/optional.h"
#include "common/base/log.h"
#include "common/net/endpoint.h"
#include "worker/agent/agent.h"

namespace paceline {

struct WorkerFlags {
  AgentOptions agent;  // With an id: by default "<host name>-<process id>".
  LogOptions log;
  // Where Prometheus finds the worker's metrics; port 0: any free one. Absent: nowhere.
  absl::optional<Endpoint> metrics;
  // What --help or --version asked for; the program then only prints it.
  std::string answer;
};

absl::StatusOr<WorkerFlags> ParseWorkerFlags(int argc, const char* const* argv);

}  // namespace paceline

#endif  // PACELINE_WORKER_FLAGS_H_
