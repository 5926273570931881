// paceline run SPEC: a private fleet on this machine, for one job.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <memory>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "cli/acks.h"
#include "cli/command.h"
#include "cli/fleet_call.h"
#include "cli/follow.h"
#include "cli/interrupt.h"
#include "cli/local_fleet.h"
#include "cli/progress.h"
#include "cli/render.h"
#include "cli/result.h"
#include "cli/run_directory.h"
#include "cli/submission.h"
#include "client/control_client.h"
#include "client/parameter_client.h"
#include "common/base/status_macros.h"
#include "common/base/version.h"
#include "common/job/job_spec.h"

namespace paceline::cli {
namespace {

struct RunFlags {
  std::string spec;
  std::vector<std::string> overrides;
  std::string restore;
  std::string directory;
  std::string programs;
  std::vector<std::string> worker_flags;
  bool json = false;
  bool plain = false;
};

absl::Status CheckInterrupt() {
  return Interrupted() ? absl::CancelledError("interrupted by Ctrl-C or SIGTERM")
                       : absl::OkStatus();
}

// A job will never end without its coordinator, any worker, or, if it takes no checkpoints, all
// copies of a partition: nobody starts them again.
absl::Status CheckFleet(const v1::JobSpec& spec, LocalFleet* fleet, Progress* progress) {
  RETURN_IF_ERROR(CheckInterrupt());
  for (const std::string& line : fleet->Casualties()) progress->Say(line);
  if (fleet->lost_coordinator()) {
    return absl::InternalError("the coordinator of the private fleet has ended");
  }
  const int replicas = static_cast<int>(spec.fleet().replicas());
  if (fleet->lost_servers() >= replicas && !spec.has_checkpoint()) {
    return absl::InternalError(absl::StrCat(Counted(fleet->lost_servers(), "server"),
                                            " of the private fleet ended; with fleet.replicas ",
                                            replicas, " partitions may be lost"));
  }
  if (fleet->lost_all_workers()) {
    return absl::InternalError("every worker of the private fleet has ended");
  }
  return absl::OkStatus();
}

absl::Status SaveModel(const std::string& coordinator, const v1::JobStatus& job,
                       RunDirectory* directory) {
  ASSIGN_OR_RETURN(auto client, ParameterClient::Open({coordinator, job.job(), "paceline-run"}));
  ASSIGN_OR_RETURN(const std::vector<float> parameters, client->Pull());
  return directory->WriteModel(
      client->parameters(), parameters,
      {{"job", job.job()}, {"paceline", job.release()}, {"weights_sha256", job.weights_sha256()}});
}

// Silence of a private fleet means that it broke.
int FailFleet(const absl::Status& status) {
  const int code = Fail(status);
  if (absl::IsCancelled(status)) return kInterrupted;
  return code == kUnreachable || code == kInternal ? kLocalFleet : code;
}

LocalFleetOptions FleetOptions(const RunFlags& flags, const v1::JobSpec& spec,
                               const RunDirectory& directory) {
  LocalFleetOptions options;
  // Each copy of a partition is on a server of its own.
  options.servers = static_cast<int>(std::max(spec.fleet().servers(), spec.fleet().replicas()));
  options.workers = static_cast<int>(spec.fleet().workers());
  options.directory = directory.logs();
  options.programs = flags.programs;
  options.worker_flags = flags.worker_flags;
  options.check = CheckInterrupt;
  return options;
}

// What is known of a job before it is submitted.
v1::JobStatus Unsubmitted(const v1::JobSpec& spec) {
  v1::JobStatus job;
  *job.mutable_spec() = spec;
  *job.mutable_segment()->mutable_consistency() = spec.consistency();
  job.set_spec_sha256(SpecSha256(spec));
  job.set_release(kRelease);
  return job;
}

// The events that a person should see among the progress.
const std::set<std::string>& ToldEvents() {
  static const auto* const told = new std::set<std::string>{
      "worker-expired", "push-invalid", "checkpoint-failed", "checkpoint-moved", "job-restored"};
  return *told;
}

// Submits the job and stays with it until it has ended. `latest` becomes its newest status, also
// on an error.
absl::Status Train(const v1::SubmitJobRequest& request, LocalFleet* fleet, RunDirectory* directory,
                   Progress* progress, v1::JobStatus* latest) {
  ControlClient control(fleet->coordinator());
  ASSIGN_OR_RETURN(const v1::SubmitJobReply submitted, control.SubmitJob(request, kCallTimeout));
  latest->set_job(submitted.job());
  const std::string warning = AcksWarning(request.spec());
  if (!warning.empty()) progress->Say(warning);
  if (request.spec().model().parameters_size() > 0) {
    progress->Say(absl::StrCat("programs of your own train this job: they join ", submitted.job(),
                               " at ", fleet->coordinator(), "; Ctrl-C ends it"));
  }

  FollowOptions follow;
  follow.on_status = [&](const v1::JobStatus& job) {
    *latest = job;
    const absl::Time now = absl::Now();
    directory->AddMetrics(job, absl::ToDoubleSeconds(now - absl::UnixEpoch()));
    progress->Show(job, now);
  };
  follow.on_event = [&](const v1::Event& event) {
    directory->AddEvent(event);
    if (ToldEvents().count(event.kind()) > 0) {
      progress->Say(EventLine(event));
    }
  };
  follow.check = [&] { return CheckFleet(request.spec(), fleet, progress); };
  return FollowJob(CallsOf(&control), submitted.job(), follow).status();
}

// Of a run that ends before its job does: leaves what is known of it.
int GiveUp(const absl::Status& why, const v1::JobStatus& job, bool json, RunDirectory* directory) {
  const std::string summary = SummaryJson(job, absl::IsCancelled(why) ? "interrupted" : "failed",
                                          std::string(why.message()));
  const absl::Status written = directory->WriteSummary(summary);
  if (!written.ok()) Fail(written);
  if (json) std::printf("%s\n", summary.c_str());
  const int code = FailFleet(why);
  std::fprintf(stderr, "what is known of the run is in %s\n", directory->path().c_str());
  return code;
}

// Leaves the model, if there is one, and the summary of a job that has ended.
absl::Status Keep(const std::string& coordinator, const v1::JobStatus& job,
                  RunDirectory* directory) {
  absl::Status saved;
  if (job.state() == v1::FINISHED) saved = SaveModel(coordinator, job, directory);
  RETURN_IF_ERROR(directory->WriteSummary(SummaryJson(job)));
  return saved;
}

int Run(const RunFlags& flags) {
  auto submission = ReadSubmission(flags.spec, flags.overrides, flags.restore);
  if (!submission.ok()) return Fail(submission.status());
  v1::SubmitJobRequest& request = *submission;
  request.set_submission_id(NewSubmissionId());
  for (const char* program : {"paceline-server", "paceline-worker"}) {
    const auto found = FindProgram(program, flags.programs);
    if (found.ok()) continue;
    Fail(found.status());
    return kLocalFleet;  // Before there is a run directory.
  }
  CatchInterrupts();
  const auto directory = RunDirectory::Create(flags.directory, request.mutable_spec());
  if (!directory.ok()) return Fail(directory.status());

  v1::JobStatus job = Unsubmitted(request.spec());
  const LocalFleetOptions options = FleetOptions(flags, request.spec(), **directory);
  const auto fleet = LocalFleet::Start(options);
  if (!fleet.ok()) return GiveUp(fleet.status(), job, flags.json, directory->get());
  Progress progress(stderr, [&] { return flags.plain ? 0 : TerminalColumns(stderr); });
  progress.Say(absl::StrCat("fleet: ", Counted(options.servers, "server"), ", ",
                            Counted(options.workers, "worker"), "; coordinator at ",
                            (*fleet)->coordinator()));

  const absl::Status trained = Train(request, fleet->get(), directory->get(), &progress, &job);
  progress.Finish();
  if (!trained.ok()) return GiveUp(trained, job, flags.json, directory->get());
  const absl::Status kept = Keep((*fleet)->coordinator(), job, directory->get());
  if (!kept.ok()) return Fail(kept);
  (*fleet)->Stop();
  return PrintResult(stdout, job, flags.json, (*directory)->path());
}

}  // namespace

void AddRun(CLI::App& app, int* exit_code) {
  auto flags = std::make_shared<RunFlags>();
  CLI::App* command = app.add_subcommand(
      "run", "train on a private fleet of processes on this machine, then stop it");
  command->add_option("spec", flags->spec, "the job, as YAML (docs/spec.md)")->required();
  AddSetFlag(*command, &flags->overrides);
  command->add_option("--run-dir", flags->directory,
                      "where the run's files go; default: runs/<name>-<date>-<time>");
  command->add_option(
      "--programs", flags->programs,
      "folder of paceline-server and paceline-worker; default: beside this program");
  command
      ->add_option("--worker-flag", flags->worker_flags,
                   "a flag for every worker, such as --worker-flag=--backend=cpu, or for one: "
                   "--worker-flag=worker-3:--slowdown=5; may be repeated")
      ->expected(1)
      ->allow_extra_args(false)
      ->take_all();
  AddRestoreFlag(*command, &flags->restore);
  command->add_flag("--json", flags->json, "print the summary as JSON on standard output");
  command->add_flag("--plain", flags->plain, "plain progress lines, also on a terminal");
  command->footer(R"(Examples
  paceline run examples/fashion-mnist/job.yaml
  paceline run job.yaml --set fleet.workers=4 --set 'consistency={ssp: 3}'
  paceline run job.yaml --restore runs/first/checkpoints/fashion-mlp-1
  paceline run job.yaml --run-dir runs/first --json | jq .eval.accuracy)");
  command->callback([flags, exit_code] { *exit_code = Run(*flags); });
}

}  // namespace paceline::cli
