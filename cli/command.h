// What every command shares: how it is added, its flags, how it reports an error.
#ifndef PACELINE_CLI_COMMAND_H_
#define PACELINE_CLI_COMMAND_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cli/exit_code.h"
#include "client/control_client.h"
#include "proto/control.pb.h"

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
void AddWhy(CLI::App& app, int* exit_code);
void AddScale(CLI::App& app, int* exit_code);
void AddDrain(CLI::App& app, int* exit_code);
void AddRebalance(CLI::App& app, int* exit_code);
void AddCheckpoint(CLI::App& app, int* exit_code);
void AddRestore(CLI::App& app, int* exit_code);
void AddFork(CLI::App& app, int* exit_code);
void AddDoctor(CLI::App& app, int* exit_code);
void AddCompletion(CLI::App& app, int* exit_code);

// Empty if `addresses` is host:port[,host:port...], else what is wrong with it.
std::string AddressError(const std::string& addresses);

// --fleet (environment PACELINE_FLEET) and --json, as most commands have them.
struct FleetFlags {
  std::string fleet = "127.0.0.1:50051";
  bool json = false;
};
void AddFleetFlags(CLI::App& command, FleetFlags* flags);

// --set KEY=VALUE, any number of times.
void AddSetFlag(CLI::App& command, std::vector<std::string>* overrides);

// --restore DIR[:NUMBER].
void AddRestoreFlag(CLI::App& command, std::string* checkpoint);

// Orders a checkpoint of the job; `path` (empty: the spec's) may be relative to where we are.
absl::StatusOr<v1::TakeCheckpointReply> OrderCheckpoint(ControlClient* control,
                                                        const std::string& job,
                                                        const std::string& path);

// Prints "paceline: ..." on standard error and gives the matching exit code.
int Fail(const absl::Status& status);
// Of a checkpoint that was ordered: kOk if it is whole; else prints why not.
int FailIfNotWhole(const v1::CheckpointStatus& written);
// Of a call to the fleet at that address: as Fail, and what to do if nobody answered.
int FailCall(const absl::Status& status, const std::string& fleet);

}  // namespace paceline::cli

#endif  // PACELINE_CLI_COMMAND_H_
