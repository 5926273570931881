#include "cli/command.h"

#include <CLI/CLI.hpp>
#include <cstdio>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "cli/fleet_error.h"

namespace paceline::cli {

std::string AddressError(const std::string& addresses) {
  const std::vector<std::string> parts = absl::StrSplit(addresses, ',');
  for (const std::string& address : parts) {
    const size_t colon = address.rfind(':');
    int port = 0;
    const bool good = colon != std::string::npos && colon > 0 &&
                      absl::SimpleAtoi(address.substr(colon + 1), &port) && port >= 1 &&
                      port <= 65535;
    if (!good) return absl::StrCat("\"", address, "\" is not host:port");
  }
  return "";
}

void AddFleetFlags(CLI::App& command, FleetFlags* flags) {
  command
      .add_option("--fleet", flags->fleet,
                  "host:port of the fleet's coordinator; several servers of a fleet that elects "
                  "one, with commas")
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

void AddRestoreFlag(CLI::App& command, std::string* checkpoint) {
  command
      .add_option("--restore", *checkpoint,
                  "go on from the newest checkpoint in this job's folder, or from that number")
      ->type_name("DIR[:NUMBER]");
}

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "paceline: %s\n", std::string(status.message()).c_str());
  return ExitCodeOf(status);
}

int FailCall(const absl::Status& status, const std::string& fleet) {
  return Fail(WithAdvice(status, fleet));
}

}  // namespace paceline::cli
