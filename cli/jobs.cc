// paceline submit, status, list, wait, cancel, mode: a job on a running fleet.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "cli/command.h"
#include "cli/fleet_call.h"
#include "cli/follow.h"
#include "cli/progress.h"
#include "cli/render.h"
#include "cli/result.h"
#include "cli/spec_file.h"
#include "client/control_client.h"
#include "common/base/version.h"
#include "common/job/job_spec.h"

namespace paceline::cli {
namespace {

struct JobFlags {
  FleetFlags fleet;
  std::string job;
  std::string spec;
  std::vector<std::string> overrides;
  std::string submission_id;
  bool wait = false;
  double timeout_s = 0;
  std::string reason = "by request";
  std::string mode;
};

// As scripts or as people read it, with one end of line.
void Print(bool json, const google::protobuf::Message& message, const std::string& text) {
  if (json) {
    std::printf("%s\n", MessageJson(message).c_str());
  } else {
    std::printf("%s", text.c_str());
  }
}

int Wait(ControlClient* control, const JobFlags& flags) {
  Progress progress(stderr, [] { return TerminalColumns(stderr); });
  FollowOptions follow;
  if (flags.timeout_s > 0) follow.deadline = absl::Now() + absl::Seconds(flags.timeout_s);
  follow.on_status = [&](const v1::JobStatus& job) { progress.Show(job, absl::Now()); };
  const auto job = FollowJob(CallsOf(control), flags.job, follow);
  progress.Finish();
  if (job.ok()) return PrintResult(stdout, *job, flags.fleet.json, "");
  const int code = Fail(job.status());
  return absl::IsDeadlineExceeded(job.status()) ? kTimedOut : code;
}

// A spec means what this program's release says it means.
absl::Status CheckRelease(ControlClient* control) {
  const auto fleet = control->DescribeFleet({}, kCallTimeout);
  if (!fleet.ok()) return fleet.status();
  if (fleet->release() == kRelease) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "the fleet runs release ", fleet->release(), ", this program is release ", kRelease));
}

int Submit(JobFlags flags) {
  const auto spec = LoadSpec(flags.spec, flags.overrides);
  if (!spec.ok()) return Fail(spec.status());
  ControlClient control(flags.fleet.fleet);
  const absl::Status same_release = CheckRelease(&control);
  if (!same_release.ok()) return Fail(same_release);
  v1::SubmitJobRequest request;
  *request.mutable_spec() = *spec;
  request.set_submission_id(!flags.submission_id.empty()
                                ? flags.submission_id
                                : absl::StrCat(::getpid(), "-", absl::ToUnixNanos(absl::Now())));
  const auto reply = control.SubmitJob(request, kCallTimeout);
  if (!reply.ok()) return Fail(reply.status());
  if (flags.wait) {
    std::fprintf(stderr, "submitted %s\n", reply->job().c_str());
    flags.job = reply->job();
    return Wait(&control, flags);
  }
  Print(flags.fleet.json, *reply, reply->job() + "\n");
  return kOk;
}

int Status(const JobFlags& flags) {
  ControlClient control(flags.fleet.fleet);
  if (flags.job.empty()) {
    const auto fleet = control.DescribeFleet({}, kCallTimeout);
    if (!fleet.ok()) return Fail(fleet.status());
    Print(flags.fleet.json, *fleet, FleetText(*fleet));
    return kOk;
  }
  v1::DescribeJobRequest request;
  request.set_job(flags.job);
  const auto job = control.DescribeJob(request, kCallTimeout);
  if (!job.ok()) return Fail(job.status());
  Print(flags.fleet.json, *job, JobText(*job));
  return kOk;
}

int List(const JobFlags& flags) {
  ControlClient control(flags.fleet.fleet);
  const auto jobs = control.ListJobs({}, kCallTimeout);
  if (!jobs.ok()) return Fail(jobs.status());
  Print(flags.fleet.json, *jobs, JobListText(*jobs));
  return kOk;
}

int Cancel(const JobFlags& flags) {
  ControlClient control(flags.fleet.fleet);
  v1::CancelJobRequest request;
  request.set_job(flags.job);
  request.set_reason(flags.reason);
  const auto reply = control.CancelJob(request, kCallTimeout);
  if (!reply.ok()) return Fail(reply.status());
  Print(flags.fleet.json, *reply, absl::StrCat(flags.job, " is ", StateName(reply->state()), "\n"));
  return kOk;
}

// A spec around the mode, since only a whole spec is parsed.
constexpr char kAnyJob[] =
    "{name: any, data: {format: csv, train: {path: /any}}, model: {layers: [{linear: 1}], loss: "
    "mse}}";

// The mode as a spec would say it.
absl::StatusOr<v1::ConsistencySpec> ParseConsistency(const std::string& mode) {
  const auto spec = ParseJobSpec(kAnyJob, "mode", {absl::StrCat("consistency=", mode)});
  if (spec.ok()) return spec->consistency();
  return absl::InvalidArgumentError(absl::StripPrefix(spec.status().message(), "--set "));
}

int Mode(const JobFlags& flags) {
  const auto consistency = ParseConsistency(flags.mode);
  if (!consistency.ok()) return Fail(consistency.status());
  ControlClient control(flags.fleet.fleet);
  v1::SetConsistencyRequest request;
  request.set_job(flags.job);
  *request.mutable_consistency() = *consistency;
  const auto reply = control.SetConsistency(request, kCallTimeout);
  if (!reply.ok()) return Fail(reply.status());
  Print(flags.fleet.json, *reply,
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
  command->footer(R"(Examples
  paceline submit job.yaml --fleet 10.0.0.5:50051
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
    *exit_code = Wait(&control, *flags);
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
      ->add_option("mode", flags->mode,
                   "as in the spec: sync, '{ssp: 3}', async, '{async: {max_staleness: 8}}'")
      ->required();
  command->footer(R"(Examples
  paceline mode fashion-mnist-1 async
  paceline mode fashion-mnist-1 '{ssp: 3}')");
  command->callback([flags, exit_code] { *exit_code = Mode(*flags); });
}

}  // namespace paceline::cli
