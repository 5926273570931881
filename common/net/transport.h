// How every channel and every server of Paceline is set up: one place for the numbers.
//
// Threads  Pure functions.
#ifndef PACELINE_COMMON_NET_TRANSPORT_H_
#define PACELINE_COMMON_NET_TRANSPORT_H_

#include <memory>
#include <string>

namespace grpc {
class Channel;
class ServerBuilder;
}  // namespace grpc

namespace paceline {

// The largest message a process accepts; a larger one is refused with RESOURCE_EXHAUSTED.
inline constexpr int kMessageBytesMax = 64 << 20;

// A channel to host:port, with a connection of its own. It connects when first used and again after
// every break; calls are not retried on it (client/ decides that).
std::shared_ptr<grpc::Channel> MakeChannel(const std::string& address);

// Message size, keepalive, and a port that only one server may listen at.
void SetUpServer(grpc::ServerBuilder* builder);

}  // namespace paceline

#endif  // PACELINE_COMMON_NET_TRANSPORT_H_
