// Where an etcd cluster is and which of its keys are ours, as people write it.
//
// Errors   InvalidArgument, with what was seen: another scheme, no endpoint, an endpoint that is
//          not host:port, one that is named twice, a prefix above 256 bytes; TLS or a user, which
//          this version does not speak to etcd with (a password is not repeated).
// Threads  Pure functions.
#ifndef PACELINE_SERVER_STORE_ETCD_ADDRESS_H_
#define PACELINE_SERVER_STORE_ETCD_ADDRESS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace paceline {

inline constexpr char kEtcdScheme[] = "etcd://";

// Whether a store is meant to be in etcd: ParseEtcdAddress says how well.
bool NamesEtcd(absl::string_view store);

struct EtcdAddress {
  std::vector<std::string> endpoints;  // host:port each; at least one.
  // What every key of ours begins with; ends with '/'. Fleets that share a cluster differ here.
  std::string prefix = "paceline/";

  // The key that names the coordinator's address while it holds the role.
  std::string LeaderKey() const { return prefix + "coordinator-leader"; }
};

// "etcd://host:port[,host:port...][/prefix]".
absl::StatusOr<EtcdAddress> ParseEtcdAddress(absl::string_view text);

}  // namespace paceline

#endif  // PACELINE_SERVER_STORE_ETCD_ADDRESS_H_
