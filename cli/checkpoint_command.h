// paceline checkpoint: lists, checks, exports and imports checkpoints in a folder, without a fleet.
//
// Errors   In the outcome: text for people or scripts, what goes to standard error, the exit
//          status. On an error of ExportCheckpoint and ImportCheckpoint nothing has been changed.
// Threads  Safe by themselves.
#ifndef PACELINE_CLI_CHECKPOINT_COMMAND_H_
#define PACELINE_CLI_CHECKPOINT_COMMAND_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "server/checkpoint/file_system.h"

namespace paceline::cli {

struct CheckpointFlags {
  // Each a job's folder, or one with jobs' folders in it. Export and import have one, of one job.
  std::vector<std::string> folders;
  uint64_t checkpoint = 0;  // 0: list and verify: all; export and import: the newest.
  std::string file;         // The safetensors file of export and import.
  bool json = false;
};

struct CheckpointOutcome {
  std::string text;    // For standard output.
  std::string errors;  // For standard error, lines without the program's name.
  int exit_code = 0;
};

// A line for each checkpoint. Manifests are checked, chunks are not looked at.
CheckpointOutcome ListCheckpoints(FileSystem* files, const CheckpointFlags& flags);
// Reads every byte.
CheckpointOutcome VerifyCheckpoints(FileSystem* files, const CheckpointFlags& flags);
// Writes the parameters to the file; what is there is replaced.
CheckpointOutcome ExportCheckpoint(FileSystem* files, const CheckpointFlags& flags);
// Adds a checkpoint that is the one named, but with the file's parameters.
CheckpointOutcome ImportCheckpoint(FileSystem* files, const CheckpointFlags& flags, absl::Time now);

}  // namespace paceline::cli

#endif  // PACELINE_CLI_CHECKPOINT_COMMAND_H_
