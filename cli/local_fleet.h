// A private fleet on this machine: servers and workers as processes, on loopback, for one job.
//
// Errors   NotFound: a program is not where it should be. Internal: one died at once; the message
//          has the end of its log. Whatever LocalFleetOptions::check says.
// Threads  As Process.
#ifndef PACELINE_CLI_LOCAL_FLEET_H_
#define PACELINE_CLI_LOCAL_FLEET_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cli/process.h"

namespace paceline::cli {

struct LocalFleetOptions {
  int servers = 1;
  int workers = 1;
  // Logs, port files and the coordinator's store go here. Must exist.
  std::string directory;
  // Where paceline-server and paceline-worker are; empty: as FindProgram looks.
  std::string programs;
  // Further flags of every worker.
  std::vector<std::string> worker_flags;  // As FlagsOf takes them.
  // Asked while the coordinator is waited for; a status that is not OK ends Start with it.
  std::function<absl::Status()> check = [] { return absl::OkStatus(); };
};

class LocalFleet {
 public:
  // Starts server-0 (which also coordinates), waits until it listens, then the others.
  static absl::StatusOr<std::unique_ptr<LocalFleet>> Start(const LocalFleetOptions& options);
  ~LocalFleet() { Stop(); }
  LocalFleet(const LocalFleet&) = delete;
  LocalFleet& operator=(const LocalFleet&) = delete;

  // Workers first, then servers, each asked with SIGTERM. The destructor does the same.
  void Stop();

  // host:port.
  const std::string& coordinator() const { return coordinator_; }

  // A line for each process that has ended by itself since the last call: "worker-2 ended (signal
  // 9); see <log>".
  std::vector<std::string> Casualties();

  // Servers among the casualties so far, and whether the one that coordinates is.
  int lost_servers() const;
  bool lost_coordinator() const;

  // Whether every worker is.
  bool lost_all_workers() const;

 private:
  LocalFleet() = default;

  struct Member {
    std::string name;
    std::string log;
    bool is_server = false;
    bool reported = false;
    std::unique_ptr<Process> process;
  };

  absl::Status StartMember(const std::string& name, bool is_server,
                           const std::vector<std::string>& arguments);
  absl::Status AwaitCoordinator(const LocalFleetOptions& options, const std::string& port_file);

  std::string directory_;
  std::string coordinator_;
  std::vector<Member> members_;
};

// The path of `program`: in `directory` or, if that is empty, beside this executable, in a sibling
// folder (server/, worker/) of it as a build lays them out, or on the PATH. NotFound names the
// places looked at.
absl::StatusOr<std::string> FindProgram(const std::string& program, const std::string& directory);

// Those of `flags` that concern `worker`: "--flag" concerns every worker, "worker-3:--flag" that
// one.
std::vector<std::string> FlagsOf(const std::string& worker, const std::vector<std::string>& flags);

}  // namespace paceline::cli

#endif  // PACELINE_CLI_LOCAL_FLEET_H_
