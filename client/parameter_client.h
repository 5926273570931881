// Pull, Push and Exchange for any C++ program: a job's parameters as one flat vector.
//
//   auto client = ParameterClient::Join({"127.0.0.1:50051", "my-job-1", "solver-0"});
//   std::vector<float> parameters = (*client)->Pull().value();
//   parameters = (*client)->Exchange(Gradient(parameters)).value();
//
// Each Push or Exchange is applied exactly once, however often it had to be sent.
//
// Shapes   Parameters and gradients: [elements()] float32, the job's parameters end to end in the
//          order of parameters().
// Errors   NOT_FOUND: no such job. CANCELLED: it has ended. ABORTED: the push was too stale; pull
// and
//          compute anew. INVALID_ARGUMENT: sizes or values that the servers refuse. UNAVAILABLE
//          (Join and Open only): the coordinator does not answer. Once joined, calls wait for a
//          fleet that is away until it is back or the job has ended; a client that was only opened
//          gives up with DEADLINE_EXCEEDED after ready_timeout.
// Threads  One thread at a time; a thread of its own keeps the lease.
// Source   docs/protocol.md.
#ifndef PACELINE_CLIENT_PARAMETER_CLIENT_H_
#define PACELINE_CLIENT_PARAMETER_CLIENT_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "common/job/parameters.h"

namespace paceline {

struct CallResult;     // client/session.h, as
struct ParameterCall;  // this.

// A call to a server that is over, from when it was sent to when its outcome was seen.
struct CallTrace {
  const ParameterCall& call;
  const CallResult& result;
  absl::Time begin;
  absl::Time end;  // Both of SteadyNow().
};

struct ParameterClientOptions {
  std::string coordinator;  // host:port[,host:port...]: ControlClient.
  std::string job;
  std::string id;  // Of this client, unique in the fleet.
  // How long Join and Open wait for the job to have its parameters somewhere.
  absl::Duration ready_timeout = absl::Seconds(30);
  // Told of every call, those sent again and those given up too, by the thread that calls Pull, Push
  // or Exchange, while it does. Null: nobody is.
  std::function<void(const CallTrace& trace)> on_call = nullptr;
};

class ParameterClient {
 public:
  // Joins a job with bare parameters: puts this client on its roster, and may push.
  static absl::StatusOr<std::unique_ptr<ParameterClient>> Join(ParameterClientOptions options);

  // Only reads, also a job that workers train or that has finished.
  static absl::StatusOr<std::unique_ptr<ParameterClient>> Open(ParameterClientOptions options);

  ~ParameterClient();

  const std::vector<ParameterInfo>& parameters() const;
  uint64_t elements() const;

  // Version of what Pull or Exchange last returned, of the first partition.
  uint64_t version() const;

  // The newest parameters (ssp: as soon as they hold what the bound asks for).
  absl::StatusOr<std::vector<float>> Pull();

  // Waits until the gradient is applied.
  absl::Status Push(absl::Span<const float> gradient);

  // Push, then what Pull returns.
  absl::StatusOr<std::vector<float>> Exchange(absl::Span<const float> gradient);

 private:
  class Impl;
  explicit ParameterClient(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace paceline

#endif  // PACELINE_CLIENT_PARAMETER_CLIENT_H_
