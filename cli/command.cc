#include "cli/command.h"

#include <CLI/CLI.hpp>
#include <cstdio>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace paceline::cli {

std::string AddressError(const std::string& address) {
  const size_t colon = address.rfind(':');
  int port = 0;
  const bool good = colon != std::string::npos && colon > 0 &&
                    absl::SimpleAtoi(address.substr(colon + 1), &port) && port >= 1 &&
                    port <= 65535;
  return good ? "" : absl::StrCat("\"", address, "\" is not host:port");
}

void AddFleetFlags(CLI::App& command, FleetFlags* flags) {
  command.add_option("--fleet", flags->fleet, "host:port of the fleet's coordinator")
      ->envname("PACELINE_FLEET")
      ->check(AddressError)
      ->capture_default_str();
  command.add_flag("--json", flags->json, "print JSON on standard output");
}

void AddSetFlag(CLI::App& command, std::vector<std::string>* overrides) {
  command
      .add_option(
          "--set", *overrides,
          "override one value of the spec, such as train.epochs=2 or 'consistency={ssp: 3}'; "
          "may be repeated")
      ->type_name("KEY=VALUE")
      ->expected(1)
      ->allow_extra_args(false)
      ->take_all();
}

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "error: %s\n", std::string(status.message()).c_str());
  return ExitCodeOf(status);
}

}  // namespace paceline::cli
