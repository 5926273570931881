// paceline run SPEC: a private fleet on this machine, for one job.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "cli/command.h"
#include "cli/fleet_call.h"
#include "cli/follow.h"
#include "cli/interrupt.h"
#include "cli/local_fleet.h"
#include "cli/progress.h"
#include "cli/render.h"
#include "cli/result.h"
#include "cli/run_directory.h"
#include "cli/safetensors.h"
#include "cli/spec_file.h"
#include "client/control_client.h"
#include "client/parameter_client.h"
#include "common/base/status_macros.h"

namespace paceline::cli {
namespace {

struct RunFlags {
  std::string spec;
  std::vector<std::string> overrides;
  std::string directory;
  std::string programs;
  std::vector<std::string> worker_flags;
  bool json = false;
  bool plain = false;
};

// A job that a server or all workers have left will never end.
absl::Status CheckFleet(LocalFleet* fleet, Progress* progress) {
  if (Interrupted()) return absl::CancelledError("interrupted");
  for (const std::string& line : fleet->Casualties()) progress->Say(line);
  if (fleet->lost_server()) {
    return absl::InternalError(
        "a server of the private fleet has ended, and its partitions with it");
  }
  if (fleet->lost_all_workers()) {
    return absl::InternalError("every worker of the private fleet has ended");
  }
  return absl::OkStatus();
}

absl::Status SaveModel(const std::string& coordinator, const v1::JobStatus& job,
                       const std::string& path) {
  ASSIGN_OR_RETURN(auto client, ParameterClient::Open({coordinator, job.job(), "paceline-run"}));
  ASSIGN_OR_RETURN(const std::vector<float> parameters, client->Pull());
  return WriteSafetensors(
      path, client->parameters(), parameters,
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
  options.servers = static_cast<int>(spec.fleet().servers());
  options.workers = static_cast<int>(spec.fleet().workers());
  options.directory = directory.logs();
  options.programs = flags.programs;
  options.worker_flags = flags.worker_flags;
  return options;
}

// Submits the job and stays with it until it has ended.
absl::StatusOr<v1::JobStatus> Train(const v1::JobSpec& spec, LocalFleet* fleet,
                                    RunDirectory* directory, Progress* progress) {
  ControlClient control(fleet->coordinator());
  v1::SubmitJobRequest request;
  *request.mutable_spec() = spec;
  request.set_submission_id(absl::StrCat(::getpid(), "-", absl::ToUnixNanos(absl::Now())));
  ASSIGN_OR_RETURN(const v1::SubmitJobReply submitted, control.SubmitJob(request, kCallTimeout));
  if (spec.model().parameters_size() > 0) {
    progress->Say(absl::StrCat("programs of your own train this job: they join ", submitted.job(),
                               " at ", fleet->coordinator(), "; Ctrl-C ends it"));
  }

  FollowOptions follow;
  follow.on_status = [&](const v1::JobStatus& job) {
    const absl::Time now = absl::Now();
    directory->AddMetrics(job, absl::ToDoubleSeconds(now - absl::UnixEpoch()));
    progress->Show(job, now);
  };
  follow.on_event = [&](const v1::Event& event) {
    directory->AddEvent(event);
    if (event.kind() == "worker-expired" || event.kind() == "push-invalid") {
      progress->Say(EventLine(event));
    }
  };
  follow.check = [&] { return CheckFleet(fleet, progress); };
  return FollowJob(CallsOf(&control), submitted.job(), follow);
}

int Run(const RunFlags& flags) {
  const auto spec = LoadSpec(flags.spec, flags.overrides);
  if (!spec.ok()) return Fail(spec.status());
  for (const char* program : {"paceline-server", "paceline-worker"}) {
    const auto found = FindProgram(program, flags.programs);
    if (found.ok()) continue;
    Fail(found.status());
    return kLocalFleet;  // Before there is a run directory.
  }
  const auto directory = RunDirectory::Create(flags.directory, *spec);
  if (!directory.ok()) return Fail(directory.status());

  CatchInterrupts();
  const LocalFleetOptions options = FleetOptions(flags, *spec, **directory);
  const auto fleet = LocalFleet::Start(options);
  if (!fleet.ok()) {
    Fail(fleet.status());
    return kLocalFleet;
  }
  Progress progress(stderr, [&] { return flags.plain ? 0 : TerminalColumns(stderr); });
  progress.Say(absl::StrCat("fleet: ", options.servers, " servers, ", options.workers,
                            " workers; coordinator at ", (*fleet)->coordinator()));

  const auto job = Train(*spec, fleet->get(), directory->get(), &progress);
  progress.Finish();
  if (!job.ok()) return FailFleet(job.status());
  if (job->state() == v1::FINISHED) {
    const absl::Status saved = SaveModel((*fleet)->coordinator(), *job, (*directory)->model());
    if (!saved.ok()) return Fail(saved);
  }
  const absl::Status written = (*directory)->WriteSummary(SummaryJson(*job));
  if (!written.ok()) return Fail(written);
  (*fleet)->Stop();
  return PrintResult(stdout, *job, flags.json, (*directory)->path());
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
  command->add_flag("--json", flags->json, "print the summary as JSON on standard output");
  command->add_flag("--plain", flags->plain, "plain progress lines, also on a terminal");
  command->footer(R"(Examples
  paceline run examples/fashion-mnist/job.yaml
  paceline run job.yaml --set fleet.workers=4 --set 'consistency={ssp: 3}'
  paceline run job.yaml --run-dir runs/first --json | jq .eval.accuracy)");
  command->callback([flags, exit_code] { *exit_code = Run(*flags); });
}

}  // namespace paceline::cli
