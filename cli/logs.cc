// paceline logs: what happened to a job, or on the fleet.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "cli/command.h"
#include "cli/fleet_call.h"
#include "cli/interrupt.h"
#include "cli/render.h"
#include "client/control_client.h"

namespace paceline::cli {
namespace {

constexpr uint32_t kFollowWaitMs = 1000;

struct LogsFlags {
  FleetFlags fleet;
  std::string job;
  bool follow = false;
};

int Logs(const LogsFlags& flags) {
  CatchInterrupts();
  ControlClient control(flags.fleet.fleet);
  v1::ListEventsRequest request;
  request.set_job(flags.job);
  while (!Interrupted()) {
    const auto reply = control.ListEvents(request, kCallTimeout);
    if (!reply.ok()) return FailCall(reply.status(), flags.fleet.fleet);
    for (const v1::Event& event : reply->events()) {
      request.set_after(event.sequence());
      PrintReply(flags.fleet.json, event, EventLine(event) + "\n");
    }
    std::fflush(stdout);
    if (!flags.follow) return kOk;
    request.set_wait_ms(kFollowWaitMs);
  }
  return kInterrupted;
}

}  // namespace

void AddLogs(CLI::App& app, int* exit_code) {
  auto flags = std::make_shared<LogsFlags>();
  CLI::App* command = app.add_subcommand(
      "logs", "events of a job, or of the whole fleet: who joined, left, was refused, and why");
  AddFleetFlags(*command, &flags->fleet);
  command->add_option("job", flags->job, "the job, as submit and list name it");
  command->add_flag("-f,--follow", flags->follow, "go on as they happen, until Ctrl-C");
  command->footer(R"(Examples
  paceline logs -f                              the whole fleet, as it happens
  paceline logs fashion-mnist-1 --json | jq -r 'select(.kind == "worker-expired")')");
  command->callback([flags, exit_code] { *exit_code = Logs(*flags); });
}

}  // namespace paceline::cli
