// A socket that listens at host:port.
//
// Errors   AlreadyExists: another socket listens there. Unavailable: it is not an address of this
//          machine, a name that does not resolve, a port this user may not have. Messages say what
//          to do.
// Threads  Safe; the name is resolved by the system, which may take long.
#ifndef PACELINE_COMMON_NET_LISTENER_H_
#define PACELINE_COMMON_NET_LISTENER_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/base/descriptor.h"
#include "common/net/endpoint.h"

namespace paceline {

// Connections of an earlier listener that linger do not matter. `flag` is what the address was
// given by, as messages name it: "--listen".
absl::StatusOr<Descriptor> Listen(const Endpoint& endpoint, absl::string_view flag);

// The port that it is bound to.
uint16_t PortOf(const Descriptor& listener);

}  // namespace paceline

#endif  // PACELINE_COMMON_NET_LISTENER_H_
