// Which address a server listens at, and which it tells others.
//
// Errors   See each function; messages say what to do.
// Threads  Pure but for asking the system about a port and the host's name.
#ifndef PACELINE_SERVER_LISTEN_ADDRESS_H_
#define PACELINE_SERVER_LISTEN_ADDRESS_H_

#include <string>

#include "absl/status/status.h"
#include "common/net/endpoint.h"

namespace paceline {

// FailedPrecondition unless `listen` is loopback or `insecure` was asked for.
absl::Status CheckExposure(const Endpoint& listen, bool insecure);

// AlreadyExists: another socket listens there. Unavailable: it is not an address of this machine, a
// name that does not resolve, a port this user may not have. Says so before gRPC does, and better.
absl::Status CheckFree(const Endpoint& listen);

// What others connect to, once `listen` has its port. InvalidArgument: `advertise`, if not empty,
// is not host:port.
absl::StatusOr<std::string> AdvertisedAddress(const Endpoint& listen, absl::string_view advertise);

// A name no other server of the fleet has: "<host name>-<port>", of letters, digits, '.', '_', '-'.
std::string DefaultServerId(const Endpoint& listen);

}  // namespace paceline

#endif  // PACELINE_SERVER_LISTEN_ADDRESS_H_
