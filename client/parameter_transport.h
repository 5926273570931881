// Carries a Session's calls over gRPC: frames out of blocks, blocks out of frames.
//
// Errors   In CallResult::status: what the server answered, or UNAVAILABLE, DEADLINE_EXCEEDED,
//          RESOURCE_EXHAUSTED of the transport itself; INTERNAL: the answer is no frame, or not of
//          the partition's size.
// Threads  Safe for use by many. `done` runs on gRPC's threads, without a lock held, once for each
//          call, cancelled ones included.
#ifndef PACELINE_CLIENT_PARAMETER_TRANSPORT_H_
#define PACELINE_CLIENT_PARAMETER_TRANSPORT_H_

#include <cstdint>
#include <functional>
#include <memory>

#include "client/session.h"

namespace paceline {

class ParameterTransport {
 public:
  using Done = std::function<void(uint64_t id, CallResult result)>;

  explicit ParameterTransport(Done done);
  // Cancels what is running and waits until `done` has run for all of it.
  ~ParameterTransport();

  // Calls of one transport have distinct ids. The pieces' gradients are held, not copied.
  void Start(ParameterCall call);

  // Does nothing if the call is over.
  void Cancel(uint64_t id);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace paceline

#endif  // PACELINE_CLIENT_PARAMETER_TRANSPORT_H_
