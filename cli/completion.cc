// paceline completion SHELL: a script that completes commands and flags, made from the commands
// themselves.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cli/command.h"

namespace paceline::cli {
namespace {

std::vector<std::string> FlagsOf(const CLI::App& command) {
  std::vector<std::string> flags;
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& name : option->get_lnames()) flags.push_back("--" + name);
  }
  return flags;
}

std::string Bash(const CLI::App& app) {
  std::vector<std::string> names;
  std::string cases;
  for (const CLI::App* command : app.get_subcommands({})) {
    names.push_back(command->get_name());
    absl::StrAppend(&cases, "    ", command->get_name(), ") words=\"",
                    absl::StrJoin(FlagsOf(*command), " "), "\" ;;\n");
  }
  return absl::StrCat(
      "_paceline() {\n"
      "  local words current=${COMP_WORDS[COMP_CWORD]}\n"
      "  case ${COMP_WORDS[1]} in\n",
      cases, "    *) words=\"", absl::StrJoin(names, " "), "\" ;;\n",
      "  esac\n"
      "  [[ $COMP_CWORD -eq 1 ]] && words=\"",
      absl::StrJoin(names, " "), " --help --version\"\n",
      "  COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
      "  [[ $COMP_CWORD -gt 1 && $current != -* ]] && COMPREPLY+=($(compgen -f -- \"$current\"))\n"
      "}\n"
      "complete -o filenames -F _paceline paceline\n");
}

std::string Fish(const CLI::App& app) {
  std::string script = "complete -c paceline -n __fish_use_subcommand -l help -l version\n";
  for (const CLI::App* command : app.get_subcommands({})) {
    absl::StrAppend(&script, "complete -c paceline -f -n __fish_use_subcommand -a ",
                    command->get_name(), " -d '", command->get_description(), "'\n");
    for (const std::string& flag : FlagsOf(*command)) {
      absl::StrAppend(&script, "complete -c paceline -n '__fish_seen_subcommand_from ",
                      command->get_name(), "' -l ", flag.substr(2), "\n");
    }
  }
  return script;
}

}  // namespace

void AddCompletion(CLI::App& app, int* exit_code) {
  auto shell = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand(
      "completion", "print a completion script: eval \"$(paceline completion bash)\"");
  command->add_option("shell", *shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  command->callback([shell, exit_code, &app] {
    std::string script = *shell == "fish" ? Fish(app) : Bash(app);
    if (*shell == "zsh") script = "autoload -U +X bashcompinit && bashcompinit\n" + script;
    std::fputs(script.c_str(), stdout);
    *exit_code = kOk;
  });
}

}  // namespace paceline::cli
