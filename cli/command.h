// What every command shares: how it is added, its flags, how it reports an error.
#ifndef PACELINE_CLI_COMMAND_H_
#define PACELINE_CLI_COMMAND_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "cli/exit_code.h"

namespace CLI {
class App;
}

namespace paceline::cli {

// Registers itself on `app`; when chosen, its exit code goes to `*exit_code`.
using AddCommand = void (*)(CLI::App& app, int* exit_code);

void AddRun(CLI::App& app, int* exit_code);
void AddSubmit(CLI::App& app, int* exit_code);
void AddStatus(CLI::App& app, int* exit_code);
void AddList(CLI::App& app, int* exit_code);
void AddWait(CLI::App& app, int* exit_code);
void AddLogs(CLI::App& app, int* exit_code);
void AddCancel(CLI::App& app, int* exit_code);
void AddMode(CLI::App& app, int* exit_code);
void AddDoctor(CLI::App& app, int* exit_code);
void AddCompletion(CLI::App& app, int* exit_code);

// Empty if `address` is host:port, else what is wrong with it.
std::string AddressError(const std::string& address);

// --fleet (environment PACELINE_FLEET) and --json, as most commands have them.
struct FleetFlags {
  std::string fleet = "127.0.0.1:50051";
  bool json = false;
};
void AddFleetFlags(CLI::App& command, FleetFlags* flags);

// --set KEY=VALUE, any number of times.
void AddSetFlag(CLI::App& command, std::vector<std::string>* overrides);

// Prints "error: ..." on standard error and gives the matching exit code.
int Fail(const absl::Status& status);

}  // namespace paceline::cli

#endif  // PACELINE_CLI_COMMAND_H_
