// One Paceline server: every part built, wired and owned. Two fit in one process.
//
// Errors   Start: InvalidArgument: an option that makes no sense. AlreadyExists: the port is in
// use.
//          FailedPrecondition: listening beyond loopback without `insecure`; the store belongs to
//          another process. Unavailable: the address or the store cannot be used. What was started
//          by then has ended again.
// Threads  Safe.
#ifndef PACELINE_SERVER_SERVER_H_
#define PACELINE_SERVER_SERVER_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "common/base/log.h"
#include "common/net/endpoint.h"

namespace paceline {

struct ServerOptions {
  std::string listen = "127.0.0.1:50051";  // Port 0: any free one.
  // What workers connect to; empty: as `listen`, with the host's name for a wildcard. Port 0: the
  // one that is listened at.
  std::string advertise;
  // Unique in the fleet; empty: the advertised address. A server that starts under the id of
  // another takes its place.
  std::string id;
  // Its failure domain (a rack, a building): copies of a partition are spread over the zones.
  std::string zone;

  // At least one of the two roles.
  bool coordinator = true;  // With a store in etcd: whenever it is elected.
  bool parameters = true;
  // Where to ask for the coordinator: host:port[,host:port...]. Given exactly when it is not one
  // itself and the store is not in etcd, which knows who is.
  std::string join;

  // "sqlite:PATH" or "memory": the coordinator's alone.
  // "etcd://host:port[,host:port...][/prefix]": the same for all servers of the fleet.
  std::string store = "sqlite:paceline.db";
  absl::Duration lease = absl::Seconds(2);   // Longer than sync_interval; the coordinator's.
  absl::Duration sync_interval = absl::Milliseconds(200);  // At least 1 ms; the coordinator's.

  // Where Prometheus finds this server's metrics; port 0: any free one. Absent: nowhere.
  absl::optional<Endpoint> metrics;

  bool insecure = false;     // Whether anyone who reaches `listen` may use it, beyond loopback too.
  Logger* logger = nullptr;  // Outlives the server. Required.
};

class Server {
 public:
  static absl::StatusOr<std::unique_ptr<Server>> Start(ServerOptions options);

  // Stop.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // host:port it listens at, the port as bound.
  const std::string& address() const;
  // Of the metrics, the port as bound; empty: there are none.
  std::string metrics_url() const;

  // Leaves the fleet, answers every parked call with UNAVAILABLE, ends. A few seconds at most.
  void Stop();

 private:
  class Impl;

  explicit Server(std::unique_ptr<Impl> impl);

  const std::unique_ptr<Impl> impl_;
};

}  // namespace paceline

#endif  // PACELINE_SERVER_SERVER_H_
