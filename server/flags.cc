#include "server/flags.h"

#include <CLI/CLI.hpp>
#include <cstdint>
#include <vector>

#include "common/base/daemon_flags.h"
#include "common/base/status_macros.h"
#include "common/net/metrics_page.h"

namespace paceline {
namespace {

// What CLI11 fills in before it has a meaning.
struct Words {
  std::vector<std::string> roles;
  std::string metrics;
  uint32_t lease_ms = 0;
  uint32_t sync_interval_ms = 0;
};

DaemonProgram Program() {
  DaemonProgram program;
  program.name = "paceline-server";
  program.purpose = "Holds parameters, coordinates a fleet, or both.";
  program.exit_codes =
      "Exit codes: 0 ended by SIGTERM or SIGINT; 1 could not start; 2 wrong command line.";
  return program;
}

void AddServerFlags(CLI::App* app, ServerOptions* server, Words* words) {
  app->add_option("--listen", server->listen, "host:port to listen at; port 0 takes any free one")
      ->capture_default_str();
  app->add_option("--advertise", server->advertise,
                  "host:port that workers reach it at (default: as --listen); port 0 is the "
                  "one listened at");
  app->add_option("--id", server->id,
                  "name of this server, unique in the fleet (default: <host name>-<port>)");
  app->add_option("--zone", server->zone,
                  "its failure domain, such as a rack: copies of a partition are spread over as "
                  "many zones as there are");
  app->add_option("--roles", words->roles,
                  "coordinator, parameters, or both with a comma (default: both, or "
                  "parameters with --join); with a store in etcd one of the coordinators is "
                  "elected")
      ->delimiter(',')
      ->check(CLI::IsMember({"coordinator", "parameters"}));
  app->add_option("--join", server->join,
                  "host:port of the coordinator to join, or several with commas; not with etcd");
  app->add_option("--store", server->store,
                  "where the coordinator's state is kept: sqlite:PATH, memory (forgotten when it "
                  "ends), or etcd://HOST:PORT[,HOST:PORT...][/PREFIX], the same for all servers: "
                  "then another takes over when the coordinator dies")
      ->capture_default_str();
  app->add_option("--lease-ms", words->lease_ms,
                  "coordinator: silence after which a worker or server is given up")
      ->capture_default_str()
      ->check(CLI::Range(uint32_t{10}, uint32_t{600'000}));
  app->add_option("--sync-interval-ms", words->sync_interval_ms,
                  "coordinator: how often workers and servers sync at least")
      ->capture_default_str()
      ->check(CLI::Range(uint32_t{1}, uint32_t{60'000}));
  app->add_option("--metrics", words->metrics, kMetricsHelp);
  app->add_flag("--insecure", server->insecure, "listen beyond loopback although there is no TLS");
}

void Interpret(const Words& words, Flags* flags) {
  flags->server.lease = absl::Milliseconds(words.lease_ms);
  flags->server.sync_interval = absl::Milliseconds(words.sync_interval_ms);
  flags->server.coordinator = flags->server.join.empty();
  if (words.roles.empty()) return;
  flags->server.coordinator = false;
  flags->server.parameters = false;
  for (const std::string& role : words.roles) {
    (role == "coordinator" ? flags->server.coordinator : flags->server.parameters) = true;
  }
}

}  // namespace

absl::StatusOr<Flags> ParseFlags(int argc, const char* const* argv) {
  Flags flags;
  Words words;
  words.lease_ms = static_cast<uint32_t>(absl::ToInt64Milliseconds(flags.server.lease));
  words.sync_interval_ms =
      static_cast<uint32_t>(absl::ToInt64Milliseconds(flags.server.sync_interval));

  DaemonFlags daemon(Program());
  AddServerFlags(&daemon.app(), &flags.server, &words);
  daemon.app().add_option("--port-file", flags.port_file,
                          "file to write the address to once it is listening (removed at the end)");
  RETURN_IF_ERROR(daemon.Parse(argc, argv));
  flags.log = daemon.log();
  flags.answer = daemon.answer();
  if (!words.metrics.empty()) {
    ASSIGN_OR_RETURN(flags.server.metrics, ParseMetricsAddress(words.metrics));
  }
  Interpret(words, &flags);
  return flags;
}

}  // namespace paceline
