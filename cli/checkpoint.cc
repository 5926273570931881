// paceline checkpoint: a fleet's job asked to write one; the folders of those that are written.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "cli/checkpoint_command.h"
#include "cli/command.h"
#include "cli/fleet_call.h"
#include "cli/follow.h"
#include "cli/render.h"
#include "client/control_client.h"
#include "common/base/status_macros.h"
#include "common/job/folder_path.h"
#include "server/checkpoint/manifest.h"
#include "server/checkpoint/posix_file_system.h"

namespace paceline::cli {
namespace {

int Show(const CheckpointOutcome& outcome) {
  std::printf("%s", outcome.text.c_str());
  size_t begin = 0;
  while (begin < outcome.errors.size()) {
    const size_t end = outcome.errors.find('\n', begin);
    std::fprintf(stderr, "paceline: %s\n", outcome.errors.substr(begin, end - begin).c_str());
    begin = end + 1;
  }
  return outcome.exit_code;
}

// The flags that those on a folder have.
CLI::App* AddOne(CLI::App* group, const std::string& name, const std::string& description,
                 const std::shared_ptr<CheckpointFlags>& flags) {
  CLI::App* command = group->add_subcommand(name, description);
  command->add_flag("--json", flags->json, "print JSON");
  command->add_option("--checkpoint", flags->checkpoint, "its number")
      ->check(CLI::Range(uint64_t{1}, kMaxCheckpoint));
  return command;
}

// One, not a list: another word follows it.
void AddFolder(CLI::App* command, const std::shared_ptr<CheckpointFlags>& flags) {
  const auto set = [flags](const std::string& folder) { flags->folders = {folder}; };
  command->add_option_function<std::string>("dir", set, "a job's checkpoints")->required();
}

void AddFolderCommands(CLI::App* group, int* exit_code) {
  const auto flags = std::make_shared<CheckpointFlags>();
  CLI::App* list = AddOne(group, "list", "what is there", flags);
  list->add_option("dir", flags->folders, "a job's checkpoints, or a folder of jobs'")->required();
  list->callback([flags, exit_code] {
    PosixFileSystem files;
    *exit_code = Show(ListCheckpoints(&files, *flags));
  });

  CLI::App* verify = AddOne(group, "verify", "read and check every byte", flags);
  verify->add_option("dir", flags->folders, "a job's checkpoints, or a folder of jobs'")
      ->required();
  verify->callback([flags, exit_code] {
    PosixFileSystem files;
    *exit_code = Show(VerifyCheckpoints(&files, *flags));
  });

  CLI::App* to_file = AddOne(group, "export", "write the parameters as safetensors", flags);
  AddFolder(to_file, flags);
  to_file->add_option("file", flags->file, "the file to write")->required();
  to_file->callback([flags, exit_code] {
    PosixFileSystem files;
    *exit_code = Show(ExportCheckpoint(&files, *flags));
  });

  CLI::App* from_file =
      AddOne(group, "import", "add a checkpoint with the parameters of a safetensors file", flags);
  AddFolder(from_file, flags);
  from_file->add_option("file", flags->file, "the file to read")->required();
  from_file->callback([flags, exit_code] {
    PosixFileSystem files;
    *exit_code = Show(ImportCheckpoint(&files, *flags, absl::Now()));
  });
}

struct TakeFlags {
  FleetFlags fleet;
  std::string job;
  std::string path;
  bool wait = false;
};

int Take(const TakeFlags& flags) {
  ControlClient control(flags.fleet.fleet);
  const auto reply = OrderCheckpoint(&control, flags.job, flags.path);
  if (!reply.ok()) return FailCall(reply.status(), flags.fleet.fleet);
  if (!flags.wait) {
    PrintReply(flags.fleet.json, *reply,
               absl::StrCat("checkpoint ", reply->id(), " of ", flags.job,
                            " is being written; status tells what becomes of it\n"));
    return kOk;
  }
  const auto written = FollowCheckpoint(CallsOf(&control), flags.job, reply->id(), {});
  if (!written.ok()) return FailCall(written.status(), flags.fleet.fleet);
  const bool is_whole = written->state() == v1::CheckpointStatus::WHOLE;
  PrintReply(flags.fleet.json, *written,
             is_whole ? absl::StrCat(CheckpointLine(flags.job, *written), "\n") : "");
  return FailIfNotWhole(*written);
}

void AddTake(CLI::App* group, int* exit_code) {
  const auto flags = std::make_shared<TakeFlags>();
  CLI::App* command = group->add_subcommand("take", "order a checkpoint of a running job");
  AddFleetFlags(*command, &flags->fleet);
  command->add_option("job", flags->job, "the job, as submit and list name it")->required();
  command->add_option("--path", flags->path,
                      "a folder that every server reaches; default: the spec's checkpoint.path");
  command->add_flag("--wait", flags->wait, "then wait until it is whole");
  command->footer(R"(Examples
  paceline checkpoint take fashion-mlp-1 --wait
  paceline checkpoint take fashion-mlp-1 --path /shared/checkpoints)");
  command->callback([flags, exit_code] { *exit_code = Take(*flags); });
}

}  // namespace

absl::StatusOr<v1::TakeCheckpointReply> OrderCheckpoint(ControlClient* control,
                                                        const std::string& job,
                                                        const std::string& path) {
  RETURN_IF_ERROR(CheckFolderPath("--path", path));
  v1::TakeCheckpointRequest request;
  request.set_job(job);
  if (!path.empty()) {
    request.set_path(std::filesystem::absolute(path).lexically_normal().string());
  }
  return control->TakeCheckpoint(request, kCallTimeout);
}

int FailIfNotWhole(const v1::CheckpointStatus& written) {
  if (written.state() == v1::CheckpointStatus::WHOLE) return kOk;
  Fail(absl::InternalError(absl::StrCat("checkpoint ", written.id(),
                                        " could not be written: ", Printable(written.error()))));
  return kUnhealthy;
}

void AddCheckpoint(CLI::App& app, int* exit_code) {
  CLI::App* group =
      app.add_subcommand("checkpoint", "take, list, check, export, import and restore checkpoints");
  group->require_subcommand(1);
  AddTake(group, exit_code);
  AddFolderCommands(group, exit_code);
  AddRestore(*group, exit_code);
  group->footer(R"(Examples
  paceline checkpoint take fashion-mlp-1 --wait
  paceline checkpoint list runs/a/checkpoints
  paceline checkpoint verify runs/a/checkpoints/fashion-mlp-1
  paceline checkpoint export runs/a/checkpoints/fashion-mlp-1 model.safetensors
  paceline checkpoint restore --dry-run runs/a/checkpoints/fashion-mlp-1:12)");
}

}  // namespace paceline::cli
