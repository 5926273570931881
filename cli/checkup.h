// What `paceline doctor` looks at, each finding with what to do about it.
//
// Errors   None: what cannot be found out is a finding, too.
#ifndef PACELINE_CLI_CHECKUP_H_
#define PACELINE_CLI_CHECKUP_H_

#include <string>
#include <vector>

namespace paceline::cli {

constexpr int kDefaultPort = 50051;  // Of paceline-server --listen.

struct Finding {
  enum Level { kGood, kNote, kBad };
  Level level = kGood;
  std::string what;    // "programs", "cpu", ...
  std::string seen;    // What was found.
  std::string advice;  // What to do; empty if nothing.
};

// A line each, and its advice below.
std::string FindingsText(const std::vector<Finding>& findings);
// An array of {"level": "ok" | "note" | "BAD", "what", "seen", "advice"}, ending in a new line.
std::string FindingsJson(const std::vector<Finding>& findings);
// None is kBad.
bool AllWell(const std::vector<Finding>& findings);

// `program` is where FindProgram looks, and of this release.
Finding CheckProgram(const std::string& program, const std::string& directory);
Finding CheckCpu();
Finding CheckMemory();
Finding CheckGpu();
// A server can listen on loopback.
Finding CheckLoopback();
Finding CheckOpenFiles();
// `port` of this machine is free for a server.
Finding CheckPort(int port);
// The same of the port that a server takes by itself: not bad, as a fleet may have it.
Finding CheckDefaultPort(int port = kDefaultPort);
// The spec parses, and the files it names begin as its format does.
std::vector<Finding> CheckSpec(const std::string& path);
// A coordinator answers at `address`, of this release, with servers and workers.
std::vector<Finding> CheckFleet(const std::string& address);

}  // namespace paceline::cli

#endif  // PACELINE_CLI_CHECKUP_H_
