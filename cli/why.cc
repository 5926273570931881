// paceline why: what a job waits for.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "cli/command.h"
#include "cli/fleet_call.h"
#include "cli/obstacles.h"
#include "client/control_client.h"

namespace paceline::cli {
namespace {

struct WhyFlags {
  FleetFlags fleet;
  std::string job;
};

int Why(const WhyFlags& flags) {
  ControlClient control(flags.fleet.fleet);
  v1::DescribeJobRequest request;
  request.set_job(flags.job);
  const auto job = control.DescribeJob(request, kCallTimeout);
  if (!job.ok()) return FailCall(job.status(), flags.fleet.fleet);
  if (flags.fleet.json) {
    std::printf("%s\n", WhyJson(*job).c_str());
  } else {
    std::printf("%s", WhyText(*job).c_str());
  }
  return kOk;
}

}  // namespace

void AddWhy(CLI::App& app, int* exit_code) {
  auto flags = std::make_shared<WhyFlags>();
  CLI::App* command = app.add_subcommand(
      "why", "what a job waits for: whom its workers wait for, copies that are not in sync");
  AddFleetFlags(*command, &flags->fleet);
  command->add_option("job", flags->job, "the job, as submit and list name it")->required();
  command->footer(R"(Examples
  paceline why fashion-mnist-1
  paceline why fashion-mnist-1 --json | jq -r '.obstacles[].what')");
  command->callback([flags, exit_code] { *exit_code = Why(*flags); });
}

}  // namespace paceline::cli
