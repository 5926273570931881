// How every channel and every server of Paceline is set up: one place for the numbers.
//
// Threads  Pure functions, but SetUpProcess: before any other thread, and before gRPC is used.
#ifndef PACELINE_COMMON_NET_TRANSPORT_H_
#define PACELINE_COMMON_NET_TRANSPORT_H_

#include <memory>
#include <string>

#include "absl/time/time.h"

namespace grpc {
class Channel;
class ServerBuilder;
}  // namespace grpc

namespace paceline {

// The largest message a process accepts; a larger one is refused with RESOURCE_EXHAUSTED. Tensors
// are not bound by it: they come in chunks (stream_calls.h).
inline constexpr int kMessageBytesMax = 64 << 20;

// Leases are a few seconds: a peer that comes back is to be found again in less.
inline constexpr absl::Duration kReconnectMax = absl::Seconds(1);
// Between servers, where whoever waits is a whole job.
inline constexpr absl::Duration kServerReconnectMax = absl::Milliseconds(500);

// A channel to host:port, with a connection of its own. It connects when first used and again after
// every break, at first after a tenth of `reconnect_max`; calls are not retried on it (client/
// decides that).
std::shared_ptr<grpc::Channel> MakeChannel(const std::string& address,
                                           absl::Duration reconnect_max = kReconnectMax);

// For a program that moves much data, first thing in main: memory that is let go stays in the
// process instead of being unmapped and faulted in again, and gRPC reads into buffers that fit the
// L2 cache. A GRPC_EXPERIMENTS that is set is left alone.
// docs/adr/0006-one-stream-for-many-calls.md.
void SetUpProcess();

// Message size, keepalive, and a port that only one server may listen at.
void SetUpServer(grpc::ServerBuilder* builder);

}  // namespace paceline

#endif  // PACELINE_COMMON_NET_TRANSPORT_H_
