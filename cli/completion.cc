// paceline completion SHELL: a script that completes commands and flags, made from the commands
// themselves.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "cli/command.h"
#include "cli/completion_script.h"

namespace paceline::cli {
namespace {

std::vector<CommandWords> WordsOf(const CLI::App& app) {
  std::vector<CommandWords> commands;
  for (const CLI::App* command : app.get_subcommands({})) {
    CommandWords words = {command->get_name(), command->get_description(), {}};
    for (const CLI::Option* option : command->get_options()) {
      for (const std::string& name : option->get_lnames()) words.flags.push_back("--" + name);
    }
    commands.push_back(words);
  }
  return commands;
}

}  // namespace

void AddCompletion(CLI::App& app, int* exit_code) {
  auto shell = std::make_shared<std::string>();
  CLI::App* command =
      app.add_subcommand("completion", "print a script that completes commands and flags");
  command->add_option("shell", *shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  command->footer(R"help(Examples
  eval "$(paceline completion bash)"            in ~/.bashrc
  paceline completion fish > ~/.config/fish/completions/paceline.fish)help");
  command->callback([shell, exit_code, &app] {
    const std::vector<CommandWords> commands = WordsOf(app);
    const std::string script = *shell == "fish"  ? FishCompletion(commands)
                               : *shell == "zsh" ? ZshCompletion(commands)
                                                 : BashCompletion(commands);
    std::fputs(script.c_str(), stdout);
    *exit_code = kOk;
  });
}

}  // namespace paceline::cli
