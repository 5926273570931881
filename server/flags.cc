#include "server/flags.h"

#include <CLI/CLI.hpp>
#include <cstdint>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/base/status_macros.h"
#include "common/base/version.h"

namespace paceline {
namespace {

constexpr char kProgram[] = "paceline-server";

// What CLI11 fills in before it has a meaning.
struct Words {
  std::vector<std::string> roles;
  uint32_t lease_ms = 0;
  uint32_t sync_interval_ms = 0;
  std::string log_format;
  std::string log_level;
};

CLI::Option* Named(CLI::Option* option) {
  const std::string name = option->get_single_name();
  return option->envname(absl::StrCat(
      "PACELINE_SERVER_", absl::AsciiStrToUpper(absl::StrReplaceAll(name, {{"-", "_"}}))));
}

void AddServerFlags(CLI::App* app, ServerOptions* server, Words* words) {
  Named(app->add_option("--listen", server->listen,
                        "host:port to listen at; port 0 takes any free one"))
      ->capture_default_str();
  Named(app->add_option("--advertise", server->advertise,
                        "host:port that workers reach it at (default: as --listen); port 0 is the "
                        "one listened at"));
  Named(app->add_option("--id", server->id,
                        "name of this server, unique in the fleet (default: <host name>-<port>)"));
  Named(app->add_option("--roles", words->roles,
                        "coordinator, parameters, or both with a comma (default: both, or "
                        "parameters with --join)"))
      ->delimiter(',')
      ->check(CLI::IsMember({"coordinator", "parameters"}));
  Named(app->add_option("--join", server->join, "host:port of the coordinator to join"));
  Named(app->add_option("--store", server->store,
                        "coordinator: where its state is kept: sqlite:PATH, or memory (forgotten "
                        "when it ends)"))
      ->capture_default_str();
  Named(app->add_option("--lease-ms", words->lease_ms,
                        "coordinator: silence after which a worker or server is given up"))
      ->capture_default_str()
      ->check(CLI::Range(uint32_t{10}, uint32_t{600'000}));
  Named(app->add_option("--sync-interval-ms", words->sync_interval_ms,
                        "coordinator: how often workers and servers sync at least"))
      ->capture_default_str()
      ->check(CLI::Range(uint32_t{1}, uint32_t{60'000}));
  Named(app->add_flag("--insecure", server->insecure,
                      "listen beyond loopback although there is no TLS"));
}

void AddProgramFlags(CLI::App* app, Flags* flags, Words* words) {
  Named(app->add_option("--log-format", words->log_format, "text or json"))->capture_default_str();
  Named(app->add_option("--log-level", words->log_level, "debug, info, warning or error"))
      ->capture_default_str();
  Named(app->add_option("--log-file", flags->log.file,
                        "file to append the log to (default: standard error)"));
  Named(app->add_option("--port-file", flags->port_file,
                        "file to write the address to once it is listening (removed at the end)"));
  app->set_config("--config", "", "TOML or INI file with any of these flags, without the dashes");
  app->allow_config_extras(CLI::config_extras_mode::error);
}

absl::Status Interpret(const Words& words, Flags* flags) {
  ASSIGN_OR_RETURN(flags->log.format, ParseLogFormat(words.log_format));
  ASSIGN_OR_RETURN(flags->log.level, ParseLogLevel(words.log_level));
  flags->log.program = kProgram;
  flags->server.lease = absl::Milliseconds(words.lease_ms);
  flags->server.sync_interval = absl::Milliseconds(words.sync_interval_ms);
  flags->server.coordinator = flags->server.join.empty();
  if (words.roles.empty()) return absl::OkStatus();
  flags->server.coordinator = false;
  flags->server.parameters = false;
  for (const std::string& role : words.roles) {
    (role == "coordinator" ? flags->server.coordinator : flags->server.parameters) = true;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Flags> ParseFlags(int argc, const char* const* argv) {
  Flags flags;
  Words words;
  words.lease_ms = static_cast<uint32_t>(absl::ToInt64Milliseconds(flags.server.lease));
  words.sync_interval_ms =
      static_cast<uint32_t>(absl::ToInt64Milliseconds(flags.server.sync_interval));
  words.log_format = "text";
  words.log_level = "info";

  CLI::App app("Holds parameters, coordinates a fleet, or both.", kProgram);
  app.set_version_flag("--version", absl::StrCat(kProgram, " ", kRelease));
  app.footer(
      "Each flag may also be given in the file of --config, or else in the environment as\n"
      "PACELINE_SERVER_<NAME>.\n"
      "Exit codes: 0 ended by SIGTERM or SIGINT; 1 could not start; 2 wrong command line.");
  AddServerFlags(&app, &flags.server, &words);
  AddProgramFlags(&app, &flags, &words);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    flags.answer = std::string(absl::StripAsciiWhitespace(app.help()));
    return flags;
  } catch (const CLI::CallForVersion& version) {
    flags.answer = version.what();
    return flags;
  } catch (const CLI::ParseError& error) {
    return absl::InvalidArgumentError(
        absl::StrCat(error.what(), " (", kProgram, " --help lists the flags)"));
  }
  RETURN_IF_ERROR(Interpret(words, &flags));
  return flags;
}

}  // namespace paceline
