// paceline restore, fork: a new job that goes on from a checkpoint.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <memory>

#include "absl/strings/str_cat.h"
#include "cli/checkpoint_choice.h"
#include "cli/command.h"
#include "cli/fleet_call.h"
#include "cli/follow.h"
#include "cli/render.h"
#include "cli/starting_point.h"
#include "cli/submission.h"
#include "client/control_client.h"
#include "common/base/status_macros.h"
#include "server/checkpoint/posix_file_system.h"

namespace paceline::cli {
namespace {

constexpr size_t kNameMax = 40;  // As in a spec.

struct RestoreFlags {
  SubmitOptions submit;
  std::string checkpoint;
  std::vector<std::string> overrides;
  bool dry_run = false;
  // Of fork.
  std::string job;
  std::string name;
  std::string path;
};

// A checkpoint and the job that is to go on from it.
struct Restart {
  v1::CheckpointManifest manifest;
  v1::SubmitJobRequest request;
};

absl::StatusOr<Restart> ReadRestart(CheckpointName name,
                                    const std::vector<std::string>& overrides) {
  name.folder = std::filesystem::absolute(name.folder).lexically_normal().string();
  PosixFileSystem files;
  ASSIGN_OR_RETURN(CheckpointChoice choice, ChooseToRestore(&files, name));
  ASSIGN_OR_RETURN(const v1::RestoreOrigin origin,
                   OriginOf(choice.manifest, choice.store->folder()));
  Restart restart;
  ASSIGN_OR_RETURN(
      *restart.request.mutable_spec(),
      SpecInCheckpoint(choice.manifest, overrides, std::filesystem::current_path().string()));
  RETURN_IF_ERROR(StartFrom(choice.manifest, origin, &restart.request));
  restart.manifest.Swap(&choice.manifest);
  return restart;
}

int Restore(const RestoreFlags& flags) {
  const auto name = ParseCheckpointName(flags.checkpoint);
  if (!name.ok()) return Fail(name.status());
  const auto restart = ReadRestart(*name, flags.overrides);
  if (!restart.ok()) return Fail(restart.status());
  if (flags.dry_run) {
    std::printf("%s", flags.submit.fleet.json
                          ? (StartJson(restart->manifest, restart->request) + "\n").c_str()
                          : StartText(restart->manifest, restart->request).c_str());
    return kOk;
  }
  ControlClient control(flags.submit.fleet.fleet);
  return SubmitAndPrint(&control, restart->request, flags.submit);
}

// "a-fork", cut so that it is a job's name.
std::string ForkName(const std::string& name) {
  constexpr char kEnd[] = "-fork";
  return absl::StrCat(name.substr(0, kNameMax - (sizeof(kEnd) - 1)), kEnd);
}

int Fork(const RestoreFlags& flags) {
  const std::string& fleet = flags.submit.fleet.fleet;
  ControlClient control(fleet);
  const auto order = OrderCheckpoint(&control, flags.job, flags.path);
  if (!order.ok()) return FailCall(order.status(), fleet);
  const auto written = FollowCheckpoint(CallsOf(&control), flags.job, order->id(), {});
  if (!written.ok()) return FailCall(written.status(), fleet);
  const int whole = FailIfNotWhole(*written);
  if (whole != kOk) return whole;
  std::fprintf(stderr, "%s\n", CheckpointLine(flags.job, *written).c_str());

  std::vector<std::string> overrides = flags.overrides;
  if (!flags.name.empty()) overrides.push_back(absl::StrCat("name=", flags.name));
  auto restart =
      ReadRestart({absl::StrCat(written->path(), "/", flags.job), written->id()}, overrides);
  if (!restart.ok()) return Fail(restart.status());
  v1::JobSpec* const spec = restart->request.mutable_spec();
  if (spec->name() == restart->manifest.spec().name() && flags.name.empty()) {
    spec->set_name(ForkName(spec->name()));
  }
  return SubmitAndPrint(&control, restart->request, flags.submit);
}

}  // namespace

void AddRestore(CLI::App& app, int* exit_code) {
  auto flags = std::make_shared<RestoreFlags>();
  CLI::App* command =
      app.add_subcommand("restore", "give a fleet a new job that goes on from a checkpoint");
  AddFleetFlags(*command, &flags->submit.fleet);
  command
      ->add_option("checkpoint", flags->checkpoint,
                   "DIR or DIR:NUMBER: a job's checkpoints, of which the newest or that one")
      ->required();
  AddSetFlag(*command, &flags->overrides);
  command->add_flag("--wait", flags->submit.wait, "then wait until the job has ended");
  command->add_option("--submission-id", flags->submit.submission_id,
                      "submitting twice with the same one makes one job");
  command->add_flag("--dry-run", flags->dry_run,
                    "only read and check the checkpoint, and say what would be submitted");
  command->footer(R"(Examples
  paceline restore --dry-run runs/a/checkpoints/fashion-mlp-1
  paceline restore runs/a/checkpoints/fashion-mlp-1 --set fleet.workers=8
  paceline restore /shared/checkpoints/fashion-mlp-1:12 --set train.epochs=20 --wait)");
  command->callback([flags, exit_code] { *exit_code = Restore(*flags); });
}

void AddFork(CLI::App& app, int* exit_code) {
  auto flags = std::make_shared<RestoreFlags>();
  CLI::App* command = app.add_subcommand(
      "fork", "a second job that goes on from where a running one is now; that one goes on too");
  AddFleetFlags(*command, &flags->submit.fleet);
  command->add_option("job", flags->job, "the job, as submit and list name it")->required();
  command->add_option("--name", flags->name, "the new job's; default: the old one's and -fork");
  AddSetFlag(*command, &flags->overrides);
  command->add_option("--path", flags->path,
                      "where the checkpoint goes; default: the spec's checkpoint.path");
  command->add_flag("--wait", flags->submit.wait, "then wait until the new job has ended");
  command->footer(R"(Examples
  paceline fork fashion-mlp-1 --name slower --set 'optimizer={adam: {learning_rate: 0.0005}}'
  paceline fork fashion-mlp-1 --path /shared/checkpoints --wait)");
  command->callback([flags, exit_code] { *exit_code = Fork(*flags); });
}

}  // namespace paceline::cli
