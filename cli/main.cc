// paceline: run training jobs, on a private fleet or on a cluster.
#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <exception>
#include <string>

#include "cli/command.h"
#include "common/base/version.h"

namespace {

constexpr char kFooter[] = R"(First steps
  paceline doctor                       is this machine ready?
  paceline run examples/fashion-mnist/job.yaml
                                        train on a private fleet of local processes
  paceline submit job.yaml --fleet host:port
                                        train on a running fleet; then status, wait, logs, cancel

Exit status
  0 done             1 the job failed      2 a flag, spec or name is wrong
  3 fleet unreachable   4 the job was cancelled   5 the private fleet broke
  6 doctor or verify found a problem   7 wait timed out   70 internal error   130 interrupted)";

constexpr char kHint[] = "Run with --help for more information.\n";

// As every other error is printed (cli/command.h, Fail).
std::string ErrorText(const CLI::App*, const CLI::Error& error) {
  return std::string("paceline: ") + error.what() + "\n" + kHint;
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  CLI::App app("Paceline: distributed training on a parameter-server fleet.", "paceline");
  app.set_version_flag("--version", std::string("paceline ") + paceline::kRelease);
  app.require_subcommand(1);
  app.footer(kFooter);
  app.get_formatter()->column_width(36);
  app.failure_message(ErrorText);  // Before the commands, which take it over.
  int exit_code = paceline::cli::kOk;
  for (const paceline::cli::AddCommand add :
       {paceline::cli::AddRun, paceline::cli::AddSubmit, paceline::cli::AddStatus,
        paceline::cli::AddList, paceline::cli::AddWait, paceline::cli::AddLogs,
        paceline::cli::AddWhy, paceline::cli::AddCancel, paceline::cli::AddMode,
        paceline::cli::AddScale, paceline::cli::AddDrain, paceline::cli::AddRebalance,
        paceline::cli::AddCheckpoint, paceline::cli::AddRestore, paceline::cli::AddFork,
        paceline::cli::AddDoctor, paceline::cli::AddCompletion}) {
    add(app, &exit_code);
  }
  // Of an unknown command CLI11 would only say that one is required.
  const auto is_chosen = [&](const CLI::App* command) { return command->check_name(argv[1]); };
  if (argc > 1 && argv[1][0] != '-' && app.get_subcommands(is_chosen).empty()) {
    std::fprintf(stderr, "paceline: no command \"%s\"\n%s", argv[1], kHint);
    return paceline::cli::kUsage;
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? paceline::cli::kOk : paceline::cli::kUsage;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "paceline: internal error: %s\n", error.what());
    return paceline::cli::kInternal;
  }
  return exit_code;
}
