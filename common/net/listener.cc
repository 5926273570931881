#include "common/net/listener.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/base/check.h"

namespace paceline {
namespace {

// Connections that the system keeps until they are accepted.
constexpr int kBacklog = 16;

absl::Status ListenError(const Endpoint& endpoint, absl::string_view flag, int error) {
  if (error == EADDRINUSE) {
    return absl::AlreadyExistsError(
        absl::StrCat("port ", endpoint.port, " of ", endpoint.host,
                     " is in use by another program; stop that one, or listen at another port (",
                     flag, " ", Endpoint{endpoint.host, 0}.ToString(), " takes any free one)"));
  }
  return absl::UnavailableError(
      absl::StrCat("cannot listen at ", endpoint.ToString(), ": ", strerror(error)));
}

// Negative: `*error` has errno.
Descriptor TryListen(const addrinfo& address, int* error) {
  Descriptor socket(
      ::socket(address.ai_family, address.ai_socktype | SOCK_CLOEXEC, address.ai_protocol));
  *error = errno;
  if (socket.number() < 0) return socket;
  const int one = 1;
  ::setsockopt(socket.number(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
  if (address.ai_family == AF_INET6) {
    ::setsockopt(socket.number(), IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
  }
  // Without listen, two sockets that allow reuse may bind to one port.
  const bool listens = ::bind(socket.number(), address.ai_addr, address.ai_addrlen) == 0 &&
                       ::listen(socket.number(), kBacklog) == 0;
  *error = errno;
  return listens ? std::move(socket) : Descriptor(-1);
}

}  // namespace

absl::StatusOr<Descriptor> Listen(const Endpoint& endpoint, absl::string_view flag) {
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  const int failure =
      ::getaddrinfo(endpoint.host.c_str(), absl::StrCat(endpoint.port).c_str(), &hints, &found);
  if (failure != 0) {
    return absl::UnavailableError(
        absl::StrCat("cannot listen at ", endpoint.ToString(), ": ", gai_strerror(failure)));
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(found, ::freeaddrinfo);
  // A name may have addresses this machine does not support; one that works will do.
  int error = 0;
  for (const addrinfo* address = found; address != nullptr; address = address->ai_next) {
    Descriptor socket = TryListen(*address, &error);
    if (socket.number() >= 0) return socket;
    if (error == EADDRINUSE) break;
  }
  return ListenError(endpoint, flag, error);
}

uint16_t PortOf(const Descriptor& listener) {
  sockaddr_storage address = {};
  socklen_t size = sizeof(address);
  PACELINE_CHECK(::getsockname(listener.number(), reinterpret_cast<sockaddr*>(&address), &size) ==
                 0);
  return ntohs(address.ss_family == AF_INET6
                   ? reinterpret_cast<const sockaddr_in6&>(address).sin6_port
                   : reinterpret_cast<const sockaddr_in&>(address).sin_port);
}

}  // namespace paceline
