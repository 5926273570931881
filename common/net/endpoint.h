// host:port, as people write it.
//
// Errors   InvalidArgument: no port, a port out of range, a host that is neither a name nor an
//          address, an IPv6 address without brackets.
// Threads  Pure functions; nothing is resolved.
// Source   RFC 3986, section 3.2.2 (brackets); RFC 1123, section 2.1 (names).
#ifndef PACELINE_COMMON_NET_ENDPOINT_H_
#define PACELINE_COMMON_NET_ENDPOINT_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace paceline {

struct Endpoint {
  std::string host;  // A name or an address, without brackets.
  uint16_t port = 0;

  // "name:50051", "127.0.0.1:50051", "[::1]:50051".
  std::string ToString() const;
  // Whether only processes of this machine can reach it: localhost, 127.0.0.0/8, ::1.
  bool IsLoopback() const;
  // Whether it stands for every address of this machine: 0.0.0.0, ::.
  bool IsWildcard() const;
};

// Somewhere to connect to: the port is 1..65535.
absl::StatusOr<Endpoint> ParseEndpoint(absl::string_view text);

// Somewhere to listen at: port 0 asks the system for a free one.
absl::StatusOr<Endpoint> ParseListenEndpoint(absl::string_view text);

}  // namespace paceline

#endif  // PACELINE_COMMON_NET_ENDPOINT_H_
