// paceline doctor: is this machine ready, and if not, what to do.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
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

const char* LevelName(Finding::Level level) {
  switch (level) {
    case Finding::kGood:
      return "ok";
    case Finding::kNote:
      return "note";
    case Finding::kBad:
      return "BAD";
  }
  return "";
}

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
  for (const int port : flags.ports) findings.push_back(CheckPort(port));
  if (!flags.spec.empty()) Append(&findings, CheckSpec(flags.spec));
  if (!flags.fleet.empty()) Append(&findings, CheckFleet(flags.fleet));

  auto json = nlohmann::ordered_json::array();
  for (const Finding& f : findings) {
    if (flags.json) {
      json.push_back({{"level", LevelName(f.level)},
                      {"what", f.what},
                      {"seen", f.seen},
                      {"advice", f.advice}});
      continue;
    }
    std::printf("%-5s %-16s %s\n", LevelName(f.level), f.what.c_str(), f.seen.c_str());
    if (!f.advice.empty()) std::printf("%-22s -> %s\n", "", f.advice.c_str());
  }
  if (flags.json) std::printf("%s\n", json.dump(2).c_str());
  const bool healthy = std::none_of(findings.begin(), findings.end(), [](const Finding& f) {
    return f.level == Finding::kBad;
  });
  return healthy ? kOk : kUnhealthy;
}

}  // namespace

void AddDoctor(CLI::App& app, int* exit_code) {
  auto flags = std::make_shared<DoctorFlags>();
  CLI::App* command =
      app.add_subcommand("doctor", "check this machine, a spec's files, a fleet; says what to do");
  command->add_option("spec", flags->spec, "also check that this spec parses and its files are there");
  command->add_option("--fleet", flags->fleet, "also check the fleet at host:port");
  command->add_option("--port", flags->ports, "also check that this port is free; may be repeated")
      ->check(CLI::Range(1, 65535));
  command->add_option("--programs", flags->programs, "folder of paceline-server and paceline-worker");
  command->add_flag("--json", flags->json, "print JSON on standard output");
  command->callback([flags, exit_code] { *exit_code = Doctor(*flags); });
}

}  // namespace paceline::cli
