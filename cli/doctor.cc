// paceline doctor: is this machine ready, and if not, what to do.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "cli/checkup.h"
#include "cli/command.h"

namespace paceline::cli {
namespace {

struct DoctorFlags {
  std::string spec;
  std::string fleet;
  std::string programs;
  std::vector<int> ports;
  bool json = false;
};

void Append(std::vector<Finding>* findings, std::vector<Finding> more) {
  findings->insert(findings->end(), more.begin(), more.end());
}

int Doctor(const DoctorFlags& flags) {
  std::vector<Finding> findings = {CheckProgram("paceline-server", flags.programs),
                                   CheckProgram("paceline-worker", flags.programs),
                                   CheckCpu(),
                                   CheckMemory(),
                                   CheckGpu(),
                                   CheckLoopback(),
                                   CheckOpenFiles()};
  if (flags.ports.empty()) findings.push_back(CheckDefaultPort());
  for (const int port : flags.ports) findings.push_back(CheckPort(port));
  if (!flags.spec.empty()) Append(&findings, CheckSpec(flags.spec));
  if (!flags.fleet.empty()) Append(&findings, CheckFleet(flags.fleet));

  const std::string text = flags.json ? FindingsJson(findings) : FindingsText(findings);
  std::fputs(text.c_str(), stdout);
  return AllWell(findings) ? kOk : kUnhealthy;
}

}  // namespace

void AddDoctor(CLI::App& app, int* exit_code) {
  auto flags = std::make_shared<DoctorFlags>();
  CLI::App* command =
      app.add_subcommand("doctor", "check this machine, a spec's files, a fleet; says what to do");
  command->add_option("spec", flags->spec,
                      "also check that this spec parses and that its files begin as they should");
  command->add_option("--fleet", flags->fleet, "also check the fleet at host:port")
      ->check(AddressError);
  command
      ->add_option("--port", flags->ports,
                   "check that this port is free, not the default 50051; may be repeated")
      ->check(CLI::Range(1, 65535))
      ->expected(1)
      ->allow_extra_args(false)
      ->take_all();
  command->add_option("--programs", flags->programs,
                      "folder of paceline-server and paceline-worker");
  command->add_flag("--json", flags->json, "print JSON on standard output");
  command->footer(R"(Examples
  paceline doctor examples/fashion-mnist/job.yaml
  paceline doctor --fleet 10.0.0.5:50051 --port 50051)");
  command->callback([flags, exit_code] { *exit_code = Doctor(*flags); });
}

}  // namespace paceline::cli
