#include "common/base/daemon_flags.h"

#include <CLI/CLI.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/base/status_macros.h"
#include "common/base/version.h"

namespace paceline {
namespace {

// "PACELINE_WORKER_LOG_FILE" of "paceline-worker" and "--log-file".
std::string Variable(const std::string& program, const std::string& flag) {
  return absl::AsciiStrToUpper(absl::StrReplaceAll(absl::StrCat(program, "-", flag), {{"-", "_"}}));
}

}  // namespace

DaemonFlags::DaemonFlags(const DaemonProgram& program)
    : program_(program.name), app_(std::make_unique<CLI::App>(program.purpose, program.name)) {
  app_->footer(absl::StrCat(
      "Each flag may also be given in the file of --config, or else in the environment as\n",
      Variable(program_, "<NAME>"), ".\n", program.exit_codes));
}

DaemonFlags::~DaemonFlags() = default;

void DaemonFlags::AddLogFlags() {
  app_->add_option("--log-format", log_format_, "text or json")->capture_default_str();
  app_->add_option("--log-level", log_level_, "debug, info, warning or error")
      ->capture_default_str();
  app_->add_option("--log-file", log_.file, "file to append the log to (default: standard error)");
}

void DaemonFlags::NameInEnvironment() {
  for (CLI::Option* const option : app_->get_options()) {
    if (option == app_->get_help_ptr()) continue;
    option->envname(Variable(program_, option->get_single_name()));
  }
}

absl::Status DaemonFlags::Parse(int argc, const char* const* argv) {
  AddLogFlags();
  NameInEnvironment();
  app_->set_config("--config", "", "TOML or INI file with any of these flags, without the dashes");
  app_->allow_config_extras(CLI::config_extras_mode::error);
  app_->set_version_flag("--version", absl::StrCat(program_, " ", kRelease));
  try {
    app_->parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    answer_ = std::string(absl::StripAsciiWhitespace(app_->help()));
    return absl::OkStatus();
  } catch (const CLI::CallForVersion& version) {
    answer_ = version.what();
    return absl::OkStatus();
  } catch (const CLI::ParseError& error) {
    return absl::InvalidArgumentError(
        absl::StrCat(error.what(), " (", program_, " --help lists the flags)"));
  }
  ASSIGN_OR_RETURN(log_.format, ParseLogFormat(log_format_));
  ASSIGN_OR_RETURN(log_.level, ParseLogLevel(log_level_));
  log_.program = program_;
  return absl::OkStatus();
}

}  // namespace paceline
