#include "cli/local_fleet.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "common/base/status_macros.h"

namespace paceline::cli {
namespace {

namespace fs = std::filesystem;

constexpr absl::Duration kStartTimeout = absl::Seconds(20);

std::string Contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

std::string LastLines(const std::string& path, size_t count) {
  const std::string text = Contents(path);
  std::vector<std::string> lines = absl::StrSplit(text, '\n', absl::SkipWhitespace());
  if (lines.size() > count) lines.erase(lines.begin(), lines.end() - count);
  return absl::StrJoin(lines, "\n");
}

}  // namespace

absl::StatusOr<std::string> FindProgram(const std::string& program, const std::string& directory) {
  std::vector<fs::path> places;
  if (!directory.empty()) {
    places.push_back(directory);
  } else {
    std::error_code ignored;
    const fs::path self = fs::read_symlink("/proc/self/exe", ignored).parent_path();
    places.push_back(self);
    places.push_back(self.parent_path() / std::string(absl::StripPrefix(program, "paceline-")));
    if (const char* path = std::getenv("PATH"); path != nullptr) {
      for (const auto part : absl::StrSplit(path, ':', absl::SkipEmpty())) {
        places.push_back(std::string(part));
      }
    }
  }
  for (const fs::path& place : places) {
    const std::string candidate = (place / program).string();
    std::error_code ignored;
    if (!fs::is_regular_file(candidate, ignored)) continue;
    if (::access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  const std::string where =
      !directory.empty()
          ? directory
          : absl::StrCat(places[0].string(), ", ", places[1].string(), " or on the PATH");
  return absl::NotFoundError(
      absl::StrCat("no executable ", program, " in ", where, "; name its folder with --programs"));
}

std::vector<std::string> FlagsOf(const std::string& worker, const std::vector<std::string>& flags) {
  std::vector<std::string> chosen;
  for (const std::string& flag : flags) {
    absl::string_view rest = flag;
    if (absl::StartsWith(rest, "--") || absl::ConsumePrefix(&rest, worker + ":")) {
      chosen.emplace_back(rest);
    }
  }
  return chosen;
}

absl::Status LocalFleet::StartMember(const std::string& name, bool is_server,
                                     const std::vector<std::string>& arguments) {
  Member member;
  member.name = name;
  member.is_server = is_server;
  member.log = (fs::path(directory_) / absl::StrCat(name, ".log")).string();
  ASSIGN_OR_RETURN(member.process, Process::Start(arguments, member.log));
  members_.push_back(std::move(member));
  return absl::OkStatus();
}

absl::Status LocalFleet::AwaitCoordinator(const LocalFleetOptions& options,
                                          const std::string& port_file) {
  Member& first = members_.front();
  const absl::Time end = absl::Now() + kStartTimeout;
  while (true) {
    coordinator_ = std::string(absl::StripAsciiWhitespace(Contents(port_file)));
    if (!coordinator_.empty()) return absl::OkStatus();
    RETURN_IF_ERROR(options.check());
    if (const auto ended = first.process->Ended(); ended.has_value()) {
      return absl::InternalError(
          absl::StrCat("server-0 ended at once (", *ended, "):\n", LastLines(first.log, 10)));
    }
    if (absl::Now() > end) {
      return absl::InternalError(absl::StrCat("server-0 did not start listening in ",
                                              absl::FormatDuration(kStartTimeout), "; see ",
                                              first.log));
    }
    absl::SleepFor(absl::Milliseconds(5));
  }
}

absl::StatusOr<std::unique_ptr<LocalFleet>> LocalFleet::Start(const LocalFleetOptions& options) {
  ASSIGN_OR_RETURN(const std::string server, FindProgram("paceline-server", options.programs));
  ASSIGN_OR_RETURN(const std::string worker, FindProgram("paceline-worker", options.programs));
  auto fleet = std::unique_ptr<LocalFleet>(new LocalFleet());
  fleet->directory_ = options.directory;
  const fs::path directory = options.directory;
  const std::string port_file = (directory / "coordinator.port").string();
  ::unlink(port_file.c_str());  // An earlier fleet's.

  RETURN_IF_ERROR(fleet->StartMember(
      "server-0", true,
      {server, "--id=server-0", "--listen=127.0.0.1:0", "--port-file=" + port_file,
       "--store=sqlite:" + (directory / "coordinator.db").string()}));
  RETURN_IF_ERROR(fleet->AwaitCoordinator(options, port_file));

  for (int i = 1; i < options.servers; ++i) {
    RETURN_IF_ERROR(
        fleet->StartMember(absl::StrCat("server-", i), true,
                           {server, absl::StrCat("--id=server-", i), "--listen=127.0.0.1:0",
                            "--roles=parameters", "--join=" + fleet->coordinator_}));
  }
  for (int i = 0; i < options.workers; ++i) {
    std::vector<std::string> arguments = {worker, absl::StrCat("--id=worker-", i),
                                          "--join=" + fleet->coordinator_};
    for (const std::string& flag : FlagsOf(absl::StrCat("worker-", i), options.worker_flags)) {
      arguments.push_back(flag);
    }
    RETURN_IF_ERROR(fleet->StartMember(absl::StrCat("worker-", i), false, arguments));
  }
  return fleet;
}

void LocalFleet::Stop() {
  for (const bool servers : {false, true}) {
    for (Member& member : members_) {
      if (member.is_server == servers) member.process->Signal(SIGTERM);
    }
    members_.erase(std::remove_if(members_.begin(), members_.end(),
                                  [&](const Member& m) { return m.is_server == servers; }),
                   members_.end());
  }
}

std::vector<std::string> LocalFleet::Casualties() {
  std::vector<std::string> lines;
  for (Member& member : members_) {
    const auto ended = member.process->Ended();
    if (!ended.has_value() || member.reported) continue;
    member.reported = true;
    lines.push_back(absl::StrCat(member.name, " ended (", *ended, "); see ", member.log));
  }
  return lines;
}

int LocalFleet::lost_servers() const {
  return static_cast<int>(
      std::count_if(members_.begin(), members_.end(),
                    [](const Member& m) { return m.is_server && m.reported; }));
}

bool LocalFleet::lost_coordinator() const {
  return !members_.empty() && members_.front().reported;
}

bool LocalFleet::lost_all_workers() const {
  return std::none_of(members_.begin(), members_.end(),
                      [](const Member& m) { return !m.is_server && !m.reported; });
}

}  // namespace paceline::cli
