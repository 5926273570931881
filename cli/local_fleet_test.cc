#include "cli/local_fleet.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "cli/test_files.h"

namespace paceline::cli {
namespace {

namespace fs = std::filesystem;

// A server that says it listens at `address`, then waits for its end.
std::string ServerScript(const std::string& address) {
  return "for flag in \"$@\"; do case $flag in\n"
         "--port-file=*) echo " +
         address +
         " > \"${flag#--port-file=}.new\"\n"
         "mv \"${flag#--port-file=}.new\" \"${flag#--port-file=}\" ;;\n"
         "esac; done\n"
         "exec sleep 600";
}

LocalFleetOptions Options(const fs::path& folder) {
  LocalFleetOptions options;
  options.directory = folder.string();
  options.programs = folder.string();
  options.workers = 2;
  return options;
}

// Until the fleet has noticed `count` casualties.
std::vector<std::string> AwaitCasualties(LocalFleet* fleet, size_t count) {
  std::vector<std::string> lines;
  while (lines.size() < count) {
    for (const std::string& line : fleet->Casualties()) lines.push_back(line);
  }
  return lines;
}

TEST_CASE("a program is found in the folder named") {
  const fs::path folder = Folder("named");
  MakeProgram(folder / "paceline-server", "exit 0");

  const auto path = FindProgram("paceline-server", folder.string());

  REQUIRE(path.ok());
  CHECK(*path == (folder / "paceline-server").string());
}

TEST_CASE("a program is found on the PATH, but no folder of its name") {
  const fs::path first = Folder("path-first");
  const fs::path second = Folder("path-second");
  fs::create_directories(first / "paceline-searched");
  MakeProgram(second / "paceline-searched", "exit 0");
  ::setenv("PATH", (first.string() + ":" + second.string() + ":/usr/bin:/bin").c_str(), 1);

  const auto path = FindProgram("paceline-searched", "");

  REQUIRE(path.ok());
  CHECK(*path == (second / "paceline-searched").string());
}

TEST_CASE("a program that is nowhere, or not executable, is not found; the places are named") {
  const fs::path folder = Folder("nowhere");
  std::ofstream(folder / "paceline-server") << "no program";

  const auto path = FindProgram("paceline-server", folder.string());

  CHECK(absl::IsNotFound(path.status()));
  CHECK(path.status().message() == "no executable paceline-server in " + folder.string() +
                                       "; name its folder with --programs");
  CHECK(absl::IsNotFound(FindProgram("paceline-unheard-of", "").status()));
}

TEST_CASE("the fleet's coordinator is what server-0 wrote into its port file") {
  const fs::path folder = Folder("fleet");
  MakeProgram(folder / "paceline-server", ServerScript("127.0.0.1:7"));
  MakeProgram(folder / "paceline-worker", "exec sleep 600");

  const auto fleet = LocalFleet::Start(Options(folder));

  REQUIRE(fleet.ok());
  CHECK((*fleet)->coordinator() == "127.0.0.1:7");
  CHECK((*fleet)->Casualties().empty());
  CHECK((*fleet)->lost_servers() == 0);
  CHECK_FALSE((*fleet)->lost_all_workers());
}

TEST_CASE("a port file that an earlier fleet left is not believed") {
  const fs::path folder = Folder("stale");
  std::ofstream(folder / "coordinator.port") << "127.0.0.1:1";
  MakeProgram(folder / "paceline-server", ServerScript("127.0.0.1:8"));
  MakeProgram(folder / "paceline-worker", "exec sleep 600");

  const auto fleet = LocalFleet::Start(Options(folder));

  REQUIRE(fleet.ok());
  CHECK((*fleet)->coordinator() == "127.0.0.1:8");
}

TEST_CASE("each process that ends by itself is told once, with its log") {
  const fs::path folder = Folder("casualties");
  MakeProgram(folder / "paceline-server", ServerScript("127.0.0.1:9"));
  MakeProgram(folder / "paceline-worker", "exit 4");
  const auto fleet = LocalFleet::Start(Options(folder));
  REQUIRE(fleet.ok());

  const std::vector<std::string> lines = AwaitCasualties(fleet->get(), 2);

  std::string log = (folder / "worker-0.log").string();
  CHECK(std::count(lines.begin(), lines.end(), "worker-0 ended (exit status 4); see " + log) == 1);
  log = (folder / "worker-1.log").string();
  CHECK(std::count(lines.begin(), lines.end(), "worker-1 ended (exit status 4); see " + log) == 1);
  CHECK((*fleet)->Casualties().empty());
  CHECK((*fleet)->lost_all_workers());
  CHECK((*fleet)->lost_servers() == 0);
}

TEST_CASE("a server that ends at once is an error with the end of its log") {
  const fs::path folder = Folder("dead");
  MakeProgram(folder / "paceline-server", "echo 'error: no room' >&2; exit 1");
  MakeProgram(folder / "paceline-worker", "exec sleep 600");

  const auto fleet = LocalFleet::Start(Options(folder));

  CHECK(absl::IsInternal(fleet.status()));
  CHECK(fleet.status().message() == "server-0 ended at once (exit status 1):\nerror: no room");
}

TEST_CASE("a start that nobody waits for any more ends, and its processes with it") {
  const fs::path folder = Folder("given-up");
  MakeProgram(folder / "paceline-server", "exec sleep 600");
  MakeProgram(folder / "paceline-worker", "exec sleep 600");
  LocalFleetOptions options = Options(folder);
  options.check = [] { return absl::CancelledError("enough"); };

  const auto fleet = LocalFleet::Start(options);

  CHECK(absl::IsCancelled(fleet.status()));
  CHECK(fleet.status().message() == "enough");
}

TEST_CASE("without its programs no fleet is begun") {
  const fs::path folder = Folder("programless");
  MakeProgram(folder / "paceline-server", ServerScript("127.0.0.1:9"));

  const auto fleet = LocalFleet::Start(Options(folder));

  CHECK(absl::IsNotFound(fleet.status()));
  CHECK_FALSE(fs::exists(folder / "server-0.log"));
}

TEST_CASE("a worker gets the flags of all and its own") {
  const std::vector<std::string> flags = {"--backend=cpu", "worker-1:--slowdown=5",
                                          "worker-10:--x"};

  CHECK(FlagsOf("worker-0", flags) == std::vector<std::string>{"--backend=cpu"});
  CHECK(FlagsOf("worker-1", flags) == std::vector<std::string>{"--backend=cpu", "--slowdown=5"});
}

}  // namespace
}  // namespace paceline::cli
