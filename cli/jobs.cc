// paceline submit, status, list, wait, cancel, mode: a job on a running fleet.
#include <CLI/CLI.hpp>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "cli/command.h"
#include "cli/fleet_call.h"
#include "cli/render.h"
#include "cli/submission.h"
#include "client/control_client.h"
#include "common/job/job_spec.h"

namespace paceline::cli {
namespace {

// The newest that status --json has; a job of 20,000 epochs has as many of them.
constexpr int kEvaluationsPrinted = 100;

struct JobFlags {
  FleetFlags fleet;
  std::string job;
  std::string spec;
  std::vector<std::string> overrides;
  std::string submission_id;
  std::string restore;
  bool wait = false;
  double timeout_s = 0;
  std::string reason = "by request";
  std::string mode;
};

int Submit(const JobFlags& flags) {
  auto request = ReadSubmission(flags.spec, flags.overrides, flags.restore);
  if (!request.ok()) return Fail(request.status());
  ControlClient control(flags.fleet.fleet);
  return SubmitAndPrint(&control, *std::move(request),
                        {flags.fleet, flags.submission_id, flags.wait});
}

int Status(const JobFlags& flags) {
  ControlClient control(flags.fleet.fleet);
  if (flags.job.empty()) {
    const auto fleet = control.DescribeFleet({}, kCallTimeout);
    if (!fleet.ok()) return FailCall(fleet.status(), flags.fleet.fleet);
    PrintReply(flags.fleet.json, *fleet, FleetText(*fleet));
    return kOk;
  }
  v1::DescribeJobRequest request;
  request.set_job(flags.job);
  auto job = control.DescribeJob(request, kCallTimeout);
  if (!job.ok()) return FailCall(job.status(), flags.fleet.fleet);
  KeepEvaluations(kEvaluationsPrinted, &*job);
  PrintReply(flags.fleet.json, *job,
             JobText(*job, absl::ToDoubleSeconds(absl::Now() - absl::UnixEpoch())));
  return kOk;
}

int List(const JobFlags& flags) {
  ControlClient control(flags.fleet.fleet);
  const auto jobs = control.ListJobs({}, kCallTimeout);
  if (!jobs.ok()) return FailCall(jobs.status(), flags.fleet.fleet);
  PrintReply(flags.fleet.json, *jobs, JobListText(*jobs));
  return kOk;
}

int Cancel(const JobFlags& flags) {
  ControlClient control(flags.fleet.fleet);
  v1::CancelJobRequest request;
  request.set_job(flags.job);
  request.set_reason(flags.reason);
  const auto reply = control.CancelJob(request, kCallTimeout);
  if (!reply.ok()) return FailCall(reply.status(), flags.fleet.fleet);
  PrintReply(flags.fleet.json, *reply,
             absl::StrCat(flags.job, " is ", StateName(reply->state()), "\n"));
  return kOk;
}

// A spec around the mode, since only a whole spec is parsed; how many workers the job has the
// coordinator knows.
constexpr char kAnyJob[] =
    "{name: any, data: {format: csv, train: {path: /any}}, model: {layers: [{linear: 1}], loss: "
    "mse}, fleet: {workers: 65536}}";

// The mode as a spec would say it.
absl::StatusOr<v1::ConsistencySpec> ParseConsistency(const std::string& mode) {
  const auto spec = ParseJobSpec(kAnyJob, "mode", {absl::StrCat("consistency=", mode)});
  if (spec.ok()) return spec->consistency();
  // It was no override that the user wrote.
  absl::string_view message = absl::StripPrefix(spec.status().message(), "--set ");
  return absl::InvalidArgumentError(absl::StripPrefix(message, "consistency: "));
}

int Mode(const JobFlags& flags) {
  const auto consistency = ParseConsistency(flags.mode);
  if (!consistency.ok()) return Fail(consistency.status());
  ControlClient control(flags.fleet.fleet);
  v1::SetConsistencyRequest request;
  request.set_job(flags.job);
  *request.mutable_consistency() = *consistency;
  const auto reply = control.SetConsistency(request, kCallTimeout);
  if (!reply.ok()) return FailCall(reply.status(), flags.fleet.fleet);
  PrintReply(flags.fleet.json, *reply,
             absl::StrCat(flags.job, ": ", ConsistencyName(*consistency), " from segment ",
                          reply->segment(), ", once the work granted so far is applied\n"));
  return kOk;
}

CLI::App* AddJobCommand(CLI::App& app, const char* name, const char* help, JobFlags* flags) {
  CLI::App* command = app.add_subcommand(name, help);
  AddFleetFlags(*command, &flags->fleet);
  return command;
}

CLI::Option* AddJob(CLI::App* command, JobFlags* flags) {
  return command->add_option("job", flags->job, "the job, as submit and list name it");
}

}  // namespace

void AddSubmit(CLI::App& app, int* exit_code) {
  auto flags = std::make_shared<JobFlags>();
  CLI::App* command =
      AddJobCommand(app, "submit", "give a job to a running fleet; prints its name", flags.get());
  command->add_option("spec", flags->spec, "the job, as YAML (docs/spec.md)")->required();
  AddSetFlag(*command, &flags->overrides);
  command->add_flag("--wait", flags->wait, "then wait until it has ended");
  command->add_option("--submission-id", flags->submission_id,
                      "submitting twice with the same one makes one job");
  AddRestoreFlag(*command, &flags->restore);
  command->footer(R"(Examples
  paceline submit job.yaml --fleet 10.0.0.5:50051
  paceline submit job.yaml --restore /shared/checkpoints/fashion-mlp-1:12
  paceline submit job.yaml --set train.epochs=20 --wait --json)");
  command->callback([flags, exit_code] { *exit_code = Submit(*flags); });
}

void AddStatus(CLI::App& app, int* exit_code) {
  auto flags = std::make_shared<JobFlags>();
  CLI::App* command = AddJobCommand(
      app, "status", "a job: progress, workers, partitions, who waits for whom; or the fleet",
      flags.get());
  AddJob(command, flags.get());
  command->footer(R"(Examples
  paceline status                               servers and workers of the fleet
  paceline status least-squares-1               one job
  paceline status least-squares-1 --json | jq .roster)");
  command->callback([flags, exit_code] { *exit_code = Status(*flags); });
}

void AddList(CLI::App& app, int* exit_code) {
  auto flags = std::make_shared<JobFlags>();
  CLI::App* command = AddJobCommand(app, "list", "the fleet's jobs", flags.get());
  command->footer(R"(Examples
  paceline list
  paceline list --json | jq -r '.jobs[].job')");
  command->callback([flags, exit_code] { *exit_code = List(*flags); });
}

void AddWait(CLI::App& app, int* exit_code) {
  auto flags = std::make_shared<JobFlags>();
  CLI::App* command =
      AddJobCommand(app, "wait", "wait until a job has ended; prints its result", flags.get());
  AddJob(command, flags.get())->required();
  command->add_option("--timeout", flags->timeout_s, "give up after this many seconds")
      ->check(CLI::PositiveNumber);
  command->footer(R"(Examples
  paceline wait fashion-mnist-1 --timeout 600   exit status 7 if it takes longer
  paceline wait fashion-mnist-1 --json > summary.json)");
  command->callback([flags, exit_code] {
    ControlClient control(flags->fleet.fleet);
    *exit_code = WaitAndPrint(&control, flags->job, flags->fleet, flags->timeout_s);
  });
}

void AddCancel(CLI::App& app, int* exit_code) {
  auto flags = std::make_shared<JobFlags>();
  CLI::App* command = AddJobCommand(app, "cancel", "end a job now", flags.get());
  AddJob(command, flags.get())->required();
  command->add_option("--reason", flags->reason, "for the job's record")->capture_default_str();
  command->footer(R"(Example
  paceline cancel fashion-mnist-1 --reason "wrong learning rate")");
  command->callback([flags, exit_code] { *exit_code = Cancel(*flags); });
}

void AddMode(CLI::App& app, int* exit_code) {
  auto flags = std::make_shared<JobFlags>();
  CLI::App* command =
      AddJobCommand(app, "mode", "change the consistency mode of a running job", flags.get());
  AddJob(command, flags.get())->required();
  command
      ->add_option(
          "mode", flags->mode,
          "as in the spec: sync, '{quorum: 3}', '{ssp: 3}', async, '{async: {max_staleness: 8}}'")
      ->required();
  command->footer(R"(Examples
  paceline mode fashion-mnist-1 async
  paceline mode fashion-mnist-1 '{ssp: 3}')");
  command->callback([flags, exit_code] { *exit_code = Mode(*flags); });
}

}  // namespace paceline::cli
