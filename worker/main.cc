// paceline-worker: computes gradients for the jobs that a fleet's coordinator gives it. Exit codes:
// 0 ended by SIGTERM or SIGINT; 1 it could not start, or was refused for good; 2 the command line
// is wrong.
#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>
#include <thread>

#include "absl/synchronization/notification.h"
#include "common/base/log.h"
#include "common/base/signals.h"
#include "common/base/version.h"
#include "common/net/endpoint.h"
#include "kernels/backend.h"
#include "worker/agent/agent.h"

namespace {

struct Flags {
  std::string id;
  std::string join = "127.0.0.1:50051";
  uint32_t slots = 1;
  std::string backend = "auto";
  double slowdown = 1;
  std::string log_format = "text";
  std::string log_level = "info";
  std::string log_file;
};

void AddFlags(CLI::App* app, Flags* flags) {
  const auto option = [app](const char* name, auto* value, const char* help) {
    std::string variable = std::string("PACELINE_WORKER_") + (name + 2);
    for (char& c : variable) c = c == '-' ? '_' : static_cast<char>(std::toupper(c));
    return app->add_option(name, *value, help)->envname(variable)->capture_default_str();
  };
  option("--id", &flags->id, "name in the fleet; default: host name and process id");
  option("--join", &flags->join, "host:port of the coordinator");
  option("--slots", &flags->slots, "jobs to train at once")->check(CLI::Range(1, 1024));
  option("--backend", &flags->backend, "cpu, cuda or auto (cuda where it works)");
  option("--slowdown", &flags->slowdown, "play a machine that computes this many times slower")
      ->check(CLI::Range(1.0, 1e6));
  option("--log-format", &flags->log_format, "text or json");
  option("--log-level", &flags->log_level, "debug, info, warning or error");
  option("--log-file", &flags->log_file, "append the log here; default: standard error");
  app->set_config("--config", "",
                  "read flags from this file (TOML); a flag given here counts first");
  app->allow_config_extras(CLI::config_extras_mode::error);
  app->set_version_flag("--version", std::string("paceline-worker ") + paceline::kRelease);
}

std::string DefaultId() {
  char host[256] = {};
  ::gethostname(host, sizeof(host) - 1);
  return std::string(host) + "-" + std::to_string(::getpid());
}

int Fail(const absl::Status& status, int code) {
  std::fprintf(stderr, "paceline-worker: %s\n", std::string(status.message()).c_str());
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  const sigset_t signals = paceline::BlockStopSignals();
  Flags flags;
  CLI::App app("Computes gradients for a Paceline fleet. Stateless: it may be killed at any time.",
               "paceline-worker");
  app.footer(
      "Each flag also has an environment variable: PACELINE_WORKER_ID for --id, and so on.\n"
      "Exit status: 0 ended by a signal, 1 could not start or was refused for good, 2 wrong "
      "flags.");
  AddFlags(&app, &flags);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }

  const auto level = paceline::ParseLogLevel(flags.log_level);
  const auto format = paceline::ParseLogFormat(flags.log_format);
  const auto backend = paceline::kernels::ParseBackendChoice(flags.backend);
  const auto coordinator = paceline::ParseEndpoint(flags.join);
  for (const absl::Status& status :
       {level.status(), format.status(), backend.status(), coordinator.status()}) {
    if (!status.ok()) return Fail(status, 2);
  }
  paceline::LogOptions log_options;
  log_options.program = "paceline-worker";
  log_options.format = *format;
  log_options.level = *level;
  log_options.file = flags.log_file;
  const auto logger = paceline::Logger::Create(log_options);
  if (!logger.ok()) return Fail(logger.status(), 1);

  // Told at start, not when the first job comes.
  const auto kernels = paceline::kernels::CreateKernels(*backend);
  if (!kernels.ok()) return Fail(kernels.status(), 1);
  (*logger)->Log(paceline::LogLevel::kInfo, "ready",
                 {{"release", paceline::kRelease}, {"backend", (*kernels)->description()}});

  paceline::AgentOptions options;
  options.id = flags.id.empty() ? DefaultId() : flags.id;
  options.coordinator = coordinator->ToString();
  options.slots = flags.slots;
  options.runner.backend = *backend;
  options.runner.slowdown = flags.slowdown;
  paceline::Agent agent(options, logger->get());
  absl::Status ended;
  absl::Notification stopped;
  std::thread runner([&] {
    ended = agent.Run();
    stopped.Notify();
    if (!ended.ok()) ::kill(::getpid(), SIGTERM);  // It ended by itself: wake main.
  });
  int signal = 0;
  sigwait(&signals, &signal);
  agent.Stop();
  paceline::EndOnSecondSignal(signals, &stopped);
  runner.join();
  return ended.ok() ? 0 : Fail(ended, 1);
}
