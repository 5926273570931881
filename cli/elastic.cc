// paceline drain, rebalance, scale: the fleet and its jobs change while they run.
#include <CLI/CLI.hpp>
#include <memory>

#include "absl/strings/str_cat.h"
#include "cli/command.h"
#include "cli/fleet_call.h"
#include "cli/render.h"
#include "client/control_client.h"

namespace paceline::cli {
namespace {

struct ElasticFlags {
  FleetFlags fleet;
  std::string server;
  std::string job;
  bool cancel = false;
  bool plan = false;
  uint32_t workers = 0;  // 0: as it is; so are the others.
  uint32_t replicas = 0;
  uint32_t min_in_sync = 0;
};

std::string DrainText(const ElasticFlags& flags, const v1::DrainServerReply& reply) {
  if (flags.cancel) return absl::StrCat(flags.server, " may be given partitions again\n");
  if (reply.replicas() == 0) {
    return absl::StrCat(flags.server, " holds nothing; it may be stopped\n");
  }
  return absl::StrCat(flags.server, " is draining: ", reply.replicas(),
                      reply.replicas() == 1 ? " copy" : " copies",
                      " to go; give the command again to see how many are left\n");
}

int Drain(const ElasticFlags& flags) {
  ControlClient control(flags.fleet.fleet);
  v1::DrainServerRequest request;
  request.set_server(flags.server);
  request.set_cancel(flags.cancel);
  const auto reply = control.DrainServer(request, kCallTimeout);
  if (!reply.ok()) return FailCall(reply.status(), flags.fleet.fleet);
  PrintReply(flags.fleet.json, *reply, DrainText(flags, *reply));
  return kOk;
}

std::string MovesText(const v1::RebalanceReply& reply) {
  if (reply.moves().empty()) return "nothing to move: the servers hold about the same\n";
  std::vector<std::vector<std::string>> rows = {{"JOB", "PARTITION", "FROM", "TO", "SIZE"}};
  for (const v1::ReplicaMove& move : reply.moves()) {
    rows.push_back({move.job(), absl::StrCat(move.partition()), move.from(), move.to(),
                    Bytes(static_cast<double>(move.bytes()))});
  }
  return Table(rows);
}

int Rebalance(const ElasticFlags& flags) {
  ControlClient control(flags.fleet.fleet);
  v1::RebalanceRequest request;
  request.set_dry_run(flags.plan);
  const auto reply = control.Rebalance(request, kCallTimeout);
  if (!reply.ok()) return FailCall(reply.status(), flags.fleet.fleet);
  PrintReply(flags.fleet.json, *reply, MovesText(*reply));
  return kOk;
}

int Scale(const ElasticFlags& flags) {
  v1::ScaleJobRequest request;
  request.set_job(flags.job);
  if (flags.workers > 0) request.set_workers(flags.workers);
  if (flags.replicas > 0) request.set_replicas(flags.replicas);
  if (flags.min_in_sync > 0) request.set_min_in_sync(flags.min_in_sync);
  ControlClient control(flags.fleet.fleet);
  const auto reply = control.ScaleJob(request, kCallTimeout);
  if (!reply.ok()) return FailCall(reply.status(), flags.fleet.fleet);
  PrintReply(flags.fleet.json, *reply,
             absl::StrCat(flags.job, " wants ", Counted(reply->workers(), "worker"), " and ",
                          reply->replicas(), reply->replicas() == 1 ? " copy" : " copies",
                          " of each partition, at least ", reply->min_in_sync(), " in sync\n"));
  return kOk;
}

}  // namespace

void AddDrain(CLI::App& app, int* exit_code) {
  auto flags = std::make_shared<ElasticFlags>();
  CLI::App* command = app.add_subcommand(
      "drain", "move everything off a server while its jobs go on, so that it may be stopped");
  AddFleetFlags(*command, &flags->fleet);
  command->add_option("server", flags->server, "the server, as status names it")->required();
  command->add_flag("--cancel", flags->cancel, "end a drain: it may be given partitions again");
  command->footer(R"(Examples
  paceline drain server-2                       again, until it holds nothing
  paceline drain server-2 --cancel)");
  command->callback([flags, exit_code] { *exit_code = Drain(*flags); });
}

void AddRebalance(CLI::App& app, int* exit_code) {
  auto flags = std::make_shared<ElasticFlags>();
  CLI::App* command = app.add_subcommand(
      "rebalance", "even out what the servers hold, in as few moves as that takes");
  AddFleetFlags(*command, &flags->fleet);
  command->add_flag("--plan", flags->plan, "only say what would be moved");
  command->footer(R"(Examples
  paceline rebalance --plan
  paceline rebalance)");
  command->callback([flags, exit_code] { *exit_code = Rebalance(*flags); });
}

void AddScale(CLI::App& app, int* exit_code) {
  auto flags = std::make_shared<ElasticFlags>();
  CLI::App* command = app.add_subcommand(
      "scale", "change how many workers and copies of its partitions a running job wants");
  AddFleetFlags(*command, &flags->fleet);
  command->add_option("job", flags->job, "the job, as submit and list name it")->required();
  // As fleet.workers, fleet.replicas and fleet.min_in_sync of the spec.
  CLI::Option_group* const wanted = command->add_option_group("wanted");
  wanted->add_option("--workers", flags->workers, "workers")
      ->check(CLI::Range(uint32_t{1}, uint32_t{65536}));
  wanted->add_option("--replicas", flags->replicas, "copies of each partition")
      ->check(CLI::Range(uint32_t{1}, uint32_t{16}));
  wanted
      ->add_option("--min-in-sync", flags->min_in_sync,
                   "copies that must be in sync for pushes to be applied")
      ->check(CLI::Range(uint32_t{1}, uint32_t{16}));
  wanted->require_option(1, 3);
  command->footer(R"(Examples
  paceline scale fashion-mnist-1 --workers 8
  paceline scale fashion-mnist-1 --replicas 3 --min-in-sync 2)");
  command->callback([flags, exit_code] { *exit_code = Scale(*flags); });
}

}  // namespace paceline::cli
