#include "common/net/endpoint.h"

#include <arpa/inet.h>

#include <cstring>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/base/status_macros.h"

namespace paceline {
namespace {

constexpr size_t kNameCharactersMax = 253;
constexpr size_t kLabelCharactersMax = 63;

absl::Status Malformed(absl::string_view text, absl::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("\"", text, "\" is not host:port: ", why,
                   " (examples: 127.0.0.1:50051, node7.example:50051, [::1]:50051)"));
}

bool IsIpv6(const std::string& host) {
  in6_addr address;
  return inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

bool IsIpv4(const std::string& host) {
  in_addr address;
  return inet_pton(AF_INET, host.c_str(), &address) == 1;
}

bool LooksLikeIpv4(absl::string_view host) {
  for (char c : host) {
    if (!absl::ascii_isdigit(c) && c != '.') return false;
  }
  return true;
}

bool IsName(absl::string_view host) {
  if (host.empty() || host.size() > kNameCharactersMax) return false;
  for (absl::string_view label : absl::StrSplit(host, '.')) {
    if (label.empty() || label.size() > kLabelCharactersMax) return false;
    for (char c : label) {
      if (!absl::ascii_isalnum(c) && c != '-' && c != '_') return false;
    }
  }
  return true;
}

absl::StatusOr<Endpoint> Parse(absl::string_view text, uint32_t port_min) {
  const size_t colon = text.rfind(':');
  if (colon == absl::string_view::npos) return Malformed(text, "it has no port");
  const absl::string_view port_text = text.substr(colon + 1);
  absl::string_view host = text.substr(0, colon);

  uint32_t port = 0;
  if (port_text.empty() || !absl::ascii_isdigit(port_text[0]) || port_text.size() > 5 ||
      !absl::SimpleAtoi(port_text, &port) || port < port_min || port > 65535) {
    return Malformed(
        text, absl::StrCat("port \"", port_text, "\" is not a number in [", port_min, ", 65535]"));
  }
  if (host.empty()) return Malformed(text, "it has no host");
  Endpoint endpoint;
  endpoint.port = static_cast<uint16_t>(port);
  if (host.front() == '[') {
    endpoint.host = std::string(host.substr(1, host.size() - 2));
    if (host.back() != ']' || !IsIpv6(endpoint.host)) {
      return Malformed(text, "the part in brackets is not an IPv6 address");
    }
    return endpoint;
  }
  endpoint.host = std::string(host);
  if (IsIpv6(endpoint.host)) return Malformed(text, "an IPv6 address needs brackets");
  const bool valid = LooksLikeIpv4(host) ? IsIpv4(endpoint.host) : IsName(host);
  if (!valid) return Malformed(text, "the host is neither a name nor an address");
  return endpoint;
}

}  // namespace

std::string Endpoint::ToString() const {
  const bool bracketed = host.find(':') != std::string::npos;
  return bracketed ? absl::StrCat("[", host, "]:", port) : absl::StrCat(host, ":", port);
}

bool Endpoint::IsLoopback() const {
  if (host == "localhost") return true;
  in_addr v4;
  if (inet_pton(AF_INET, host.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  in6_addr v6;
  if (inet_pton(AF_INET6, host.c_str(), &v6) != 1) return false;
  return std::memcmp(&v6, &in6addr_loopback, sizeof(v6)) == 0;
}

bool Endpoint::IsWildcard() const {
  in_addr v4;
  if (inet_pton(AF_INET, host.c_str(), &v4) == 1) return v4.s_addr == INADDR_ANY;
  in6_addr v6;
  if (inet_pton(AF_INET6, host.c_str(), &v6) != 1) return false;
  return std::memcmp(&v6, &in6addr_any, sizeof(v6)) == 0;
}

absl::StatusOr<Endpoint> ParseEndpoint(absl::string_view text) { return Parse(text, 1); }

absl::StatusOr<Endpoint> ParseListenEndpoint(absl::string_view text) { return Parse(text, 0); }

}  // namespace paceline
