#include "server/listen_address.h"

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"

namespace paceline {
namespace {

absl::Status ListenError(const Endpoint& listen, int error) {
  if (error == EADDRINUSE) {
    return absl::AlreadyExistsError(
        absl::StrCat("port ", listen.port, " of ", listen.host,
                     " is in use by another program; stop that one, or listen at another port "
                     "(--listen ",
                     listen.host, ":0 takes any free one)"));
  }
  return absl::UnavailableError(
      absl::StrCat("cannot listen at ", listen.ToString(), ": ", strerror(error)));
}

// 0, or errno.
int TryBind(const addrinfo& address) {
  const int descriptor =
      ::socket(address.ai_family, address.ai_socktype | SOCK_CLOEXEC, address.ai_protocol);
  if (descriptor < 0) return errno;
  // As gRPC does: connections of an earlier server that linger do not matter.
  const int one = 1;
  ::setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
  if (address.ai_family == AF_INET6) {
    ::setsockopt(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
  }
  int error = 0;
  if (::bind(descriptor, address.ai_addr, address.ai_addrlen) != 0) error = errno;
  // Without it, two sockets that allow reuse may bind to one port.
  if (error == 0 && ::listen(descriptor, 1) != 0) error = errno;
  ::close(descriptor);
  return error;
}

std::string HostName() {
  char name[256] = {};
  return ::gethostname(name, sizeof(name) - 1) == 0 && name[0] != '\0' ? name : "localhost";
}

}  // namespace

absl::Status CheckExposure(const Endpoint& listen, bool insecure) {
  if (insecure || listen.IsLoopback()) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "refusing to listen at ", listen.ToString(),
      ": whoever can reach it could run jobs and read and change every parameter, and this release "
      "has no TLS yet (mutual TLS comes in a later one). Listen at 127.0.0.1, or pass --insecure "
      "on "
      "a network you trust"));
}

absl::Status CheckFree(const Endpoint& listen) {
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  const int failure =
      ::getaddrinfo(listen.host.c_str(), absl::StrCat(listen.port).c_str(), &hints, &found);
  if (failure != 0) {
    return absl::UnavailableError(
        absl::StrCat("cannot listen at ", listen.ToString(), ": ", gai_strerror(failure)));
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(found, ::freeaddrinfo);
  // A name may have addresses this machine does not support; one that works will do.
  int error = 0;
  for (const addrinfo* address = found; address != nullptr; address = address->ai_next) {
    error = TryBind(*address);
    if (error == 0 || error == EADDRINUSE) break;
  }
  return error == 0 ? absl::OkStatus() : ListenError(listen, error);
}

absl::StatusOr<std::string> AdvertisedAddress(const Endpoint& listen, absl::string_view advertise) {
  Endpoint endpoint = listen;
  if (!advertise.empty()) {
    ASSIGN_OR_RETURN(endpoint, ParseListenEndpoint(advertise));
    if (endpoint.port == 0) endpoint.port = listen.port;
  } else if (listen.IsWildcard()) {
    endpoint.host = HostName();
  }
  if (endpoint.IsWildcard()) {
    return absl::InvalidArgumentError(absl::StrCat("advertised address ", endpoint.ToString(),
                                                   " stands for every host; wanted this one's"));
  }
  return endpoint.ToString();
}

std::string DefaultServerId(const Endpoint& listen) {
  constexpr size_t kHostCharactersMax = 48;
  std::string host = HostName().substr(0, kHostCharactersMax);
  for (char& c : host) {
    if (!absl::ascii_isalnum(c) && c != '.' && c != '_') c = '-';
  }
  return absl::StrCat(host, "-", listen.port);
}

}  // namespace paceline
