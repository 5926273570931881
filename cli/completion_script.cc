#include "cli/completion_script.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"

namespace paceline::cli {

std::string BashCompletion(const std::vector<CommandWords>& commands) {
  std::vector<std::string> names;
  std::string cases;
  for (const CommandWords& command : commands) {
    names.push_back(command.name);
    absl::StrAppend(&cases, "    ", command.name, ") words=\"", absl::StrJoin(command.flags, " "),
                    "\" ;;\n");
  }
  return absl::StrCat(
      "_paceline() {\n"
      "  local words= current=${COMP_WORDS[COMP_CWORD]}\n"
      "  case ${COMP_WORDS[1]} in\n",
      cases,
      "  esac\n"
      "  [[ $COMP_CWORD -eq 1 ]] && words=\"",
      absl::StrJoin(names, " "),
      " --help --version\"\n"
      "  COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
      "  [[ $COMP_CWORD -gt 1 && $current != -* ]] && COMPREPLY=($(compgen -f -- \"$current\"))\n"
      "}\n"
      "complete -o filenames -F _paceline paceline\n");
}

std::string ZshCompletion(const std::vector<CommandWords>& commands) {
  return absl::StrCat("autoload -U +X compinit && compinit\n",
                      "autoload -U +X bashcompinit && bashcompinit\n", BashCompletion(commands));
}

std::string FishCompletion(const std::vector<CommandWords>& commands) {
  std::string script = "complete -c paceline -n __fish_use_subcommand -l help -l version\n";
  for (const CommandWords& command : commands) {
    const std::string description =
        absl::StrReplaceAll(command.description, {{"\\", "\\\\"}, {"'", "\\'"}});
    absl::StrAppend(&script, "complete -c paceline -f -n __fish_use_subcommand -a ", command.name,
                    " -d '", description, "'\n");
    for (const std::string& flag : command.flags) {
      absl::StrAppend(&script, "complete -c paceline -n '__fish_seen_subcommand_from ",
                      command.name, "' -l ", flag.substr(2), "\n");
    }
  }
  return script;
}

}  // namespace paceline::cli
