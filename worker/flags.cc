#include "worker/flags.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/daemon_flags.h"
#include "common/base/status_macros.h"
#include "common/net/coordinator_choice.h"
#include "common/net/metrics_page.h"
#include "kernels/backend.h"

namespace paceline {
namespace {

// What CLI11 fills in before it has a meaning.
struct Words {
  std::string join = "127.0.0.1:50051";
  std::string backend = "auto";
  std::string metrics;
};

DaemonProgram Program() {
  DaemonProgram program;
  program.name = "paceline-worker";
  program.purpose =
      "Computes gradients for a Paceline fleet. Stateless: it may be killed at any time.";
  program.exit_codes =
      "Exit codes: 0 ended by SIGTERM or SIGINT; 1 could not start, or was refused for good; 2\n"
      "wrong command line.";
  return program;
}

void AddFlags(CLI::App* app, AgentOptions* agent, Words* words) {
  app->add_option("--id", agent->id,
                  "name in the fleet, unique there (default: <host name>-<process id>)");
  app->add_option("--join", words->join,
                  "host:port of the coordinator; several servers of a fleet that elects one, "
                  "with commas")
      ->capture_default_str();
  app->add_option("--slots", agent->slots, "jobs to train at once")
      ->capture_default_str()
      ->check(CLI::Range(1, 1024));
  app->add_option("--backend", words->backend, "cpu, cuda or auto (cuda where it works)")
      ->capture_default_str();
  app->add_option("--metrics", words->metrics, kMetricsHelp);
  app->add_option("--slowdown", agent->runner.slowdown,
                  "play a machine that computes this many times slower")
      ->capture_default_str()
      ->check(CLI::Range(1.0, 1e6));
}

std::string DefaultId() {
  char host[256] = {};
  ::gethostname(host, sizeof(host) - 1);
  return absl::StrCat(host, "-", ::getpid());
}

}  // namespace

absl::StatusOr<WorkerFlags> ParseWorkerFlags(int argc, const char* const* argv) {
  WorkerFlags flags;
  Words words;
  DaemonFlags daemon(Program());
  AddFlags(&daemon.app(), &flags.agent, &words);
  RETURN_IF_ERROR(daemon.Parse(argc, argv));
  flags.answer = daemon.answer();
  if (!flags.answer.empty()) return flags;
  flags.log = daemon.log();
  if (!words.metrics.empty()) {
    ASSIGN_OR_RETURN(flags.metrics, ParseMetricsAddress(words.metrics));
  }
  ASSIGN_OR_RETURN(flags.agent.runner.backend, kernels::ParseBackendChoice(words.backend));
  ASSIGN_OR_RETURN(const std::vector<std::string> coordinators, ParseCoordinators(words.join));
  flags.agent.coordinator = absl::StrJoin(coordinators, ",");
  if (flags.agent.id.empty()) flags.agent.id = DefaultId();
  return flags;
}

}  // namespace paceline
