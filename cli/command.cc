#include "cli/command.h"

#include <CLI/CLI.hpp>
#include <cstdio>

namespace paceline::cli {

void AddFleetFlags(CLI::App& command, FleetFlags* flags) {
  command.add_option("--fleet", flags->fleet, "host:port of the fleet's coordinator")
      ->envname("PACELINE_FLEET")
      ->capture_default_str();
  command.add_flag("--json", flags->json, "print JSON on standard output");
}

void AddSetFlag(CLI::App& command, std::vector<std::string>* overrides) {
  command
      .add_option("--set", *overrides,
                  "override one value of the spec, such as train.epochs=2 or 'consistency={ssp: 3}'; "
                  "may be repeated")
      ->type_name("KEY=VALUE")
      ->expected(1)
      ->take_all();
}

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "error: %s\n", std::string(status.message()).c_str());
  return ExitCodeOf(status);
}

}  // namespace paceline::cli
