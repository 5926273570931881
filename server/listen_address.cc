#include "server/listen_address.h"

#include <unistd.h>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/net/listener.h"

namespace paceline {
namespace {

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

absl::Status CheckFree(const Endpoint& listen) { return Listen(listen, "--listen").status(); }

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
