#include "cli/completion_script.h"

#include <array>
#include <catch2/catch.hpp>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>

namespace paceline::cli {
namespace {

std::vector<CommandWords> Commands() {
  return {{"submit", "give a job to a fleet", {"--help", "--fleet", "--set"}},
          {"status", "the fleet's jobs", {"--help", "--json"}}};
}

// What bash offers for `words`, the last of which is under the cursor.
std::string Offered(const std::string& words, int cursor) {
  const std::string script = std::string(std::getenv("TEST_TMPDIR")) + "/completion.bash";
  std::ofstream(script) << BashCompletion(Commands()) << "COMP_WORDS=(" << words << ")\n"
                        << "COMP_CWORD=" << cursor << "\n_paceline\necho \"${COMPREPLY[*]}\"\n";
  const std::string command = "cd / && /bin/bash '" + script + "'";
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(::popen(command.c_str(), "r"), ::pclose);
  std::array<char, 512> line = {};
  REQUIRE(std::fgets(line.data(), line.size(), pipe.get()) != nullptr);
  return line.data();
}

TEST_CASE("bash is offered commands first, then the chosen command's flags") {
  CHECK(Offered("paceline s", 1) == "submit status\n");
  CHECK(Offered("paceline --v", 1) == "--version\n");
  CHECK(Offered("paceline status --", 2) == "--help --json\n");
  CHECK(Offered("paceline submit --f", 2) == "--fleet\n");
}

TEST_CASE("bash is offered files where no flag has been begun") {
  CHECK(Offered("paceline submit /de", 2) == "/dev\n");
}

TEST_CASE("zsh reads bash's script") {
  CHECK(ZshCompletion(Commands()) ==
        "autoload -U +X compinit && compinit\n"
        "autoload -U +X bashcompinit && bashcompinit\n" +
            BashCompletion(Commands()));
}

TEST_CASE("fish gets a line for each command and flag, with quotes escaped") {
  CHECK(FishCompletion(Commands()) ==
        R"(complete -c paceline -n __fish_use_subcommand -l help -l version
complete -c paceline -f -n __fish_use_subcommand -a submit -d 'give a job to a fleet'
complete -c paceline -n '__fish_seen_subcommand_from submit' -l help
complete -c paceline -n '__fish_seen_subcommand_from submit' -l fleet
complete -c paceline -n '__fish_seen_subcommand_from submit' -l set
complete -c paceline -f -n __fish_use_subcommand -a status -d 'the fleet\'s jobs'
complete -c paceline -n '__fish_seen_subcommand_from status' -l help
complete -c paceline -n '__fish_seen_subcommand_from status' -l json
)");
}

}  // namespace
}  // namespace paceline::cli
