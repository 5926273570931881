#include "server/store/etcd/address.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/base/status_macros.h"
#include "common/net/endpoint.h"

namespace paceline {
namespace {

constexpr size_t kPrefixBytesMax = 256;

constexpr char kEtcdTlsScheme[] = "etcds://";

// What other clients of etcd take and this one does not, rather than to send it in the clear.
absl::Status CheckUnprotected(absl::string_view text) {
  constexpr char kWanted[] =
      "wanted etcd://HOST:PORT that is reached without either: over loopback or a network of the "
      "fleet's own, or a tunnel's local end (docs/guarantees.md, \"Not encrypted\")";
  if (absl::StartsWith(text, kEtcdTlsScheme)) {
    return absl::InvalidArgumentError(
        absl::StrCat("store: etcds:// is etcd over TLS, which is not served; ", kWanted));
  }
  if (!absl::StrContains(text, '@')) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("store: a user and password for etcd, before '@', are not served; ", kWanted));
}

}  // namespace

bool NamesEtcd(absl::string_view store) {
  return absl::StartsWith(store, kEtcdScheme) || absl::StartsWith(store, kEtcdTlsScheme);
}

absl::StatusOr<EtcdAddress> ParseEtcdAddress(absl::string_view text) {
  RETURN_IF_ERROR(CheckUnprotected(text));
  absl::string_view rest = text;
  if (!absl::ConsumePrefix(&rest, kEtcdScheme)) {
    return absl::InvalidArgumentError(
        absl::StrCat("store \"", text, "\"; wanted etcd://host:port[,host:port...][/prefix]"));
  }
  EtcdAddress address;
  const size_t slash = rest.find('/');
  if (slash != absl::string_view::npos && slash + 1 < rest.size()) {
    address.prefix = std::string(rest.substr(slash + 1));
    if (!absl::EndsWith(address.prefix, "/")) address.prefix += '/';
    if (address.prefix.size() > kPrefixBytesMax) {
      return absl::InvalidArgumentError(absl::StrCat(
          "store: etcd prefix of ", address.prefix.size(), " bytes; wanted 1..", kPrefixBytesMax));
    }
  }
  for (const absl::string_view part : absl::StrSplit(rest.substr(0, slash), ',')) {
    absl::StatusOr<Endpoint> endpoint = ParseEndpoint(part);
    if (!endpoint.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("store \"", text, "\": ", endpoint.status().message()));
    }
    std::string name = endpoint->ToString();
    if (std::count(address.endpoints.begin(), address.endpoints.end(), name) > 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("store \"", text, "\": endpoint ", name, " is named twice"));
    }
    address.endpoints.push_back(std::move(name));
  }
  return address;
}

}  // namespace paceline
