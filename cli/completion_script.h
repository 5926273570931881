// Scripts that teach a shell the commands and flags of `paceline`. Pure text.
#ifndef PACELINE_CLI_COMPLETION_SCRIPT_H_
#define PACELINE_CLI_COMPLETION_SCRIPT_H_

#include <string>
#include <vector>

namespace paceline::cli {

// One command, as its --help shows it.
struct CommandWords {
  std::string name;
  std::string description;
  std::vector<std::string> flags;  // Long ones, with their "--".
};

std::string BashCompletion(const std::vector<CommandWords>& commands);
std::string ZshCompletion(const std::vector<CommandWords>& commands);
std::string FishCompletion(const std::vector<CommandWords>& commands);

}  // namespace paceline::cli

#endif  // PACELINE_CLI_COMPLETION_SCRIPT_H_
