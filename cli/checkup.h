// What `paceline doctor` looks at, each finding with what to do about it.
#ifndef PACELINE_CLI_CHECKUP_H_
#define PACELINE_CLI_CHECKUP_H_

#include <string>
#include <vector>

namespace paceline::cli {

struct Finding {
  enum Level { kGood, kNote, kBad };
  Level level = kGood;
  std::string what;    // "programs", "cpu", ...
  std::string seen;    // What was found.
  std::string advice;  // What to do; empty if nothing.
};

Finding CheckProgram(const std::string& program, const std::string& directory);
Finding CheckCpu();
Finding CheckMemory();
Finding CheckGpu();
Finding CheckLoopback();
Finding CheckOpenFiles();
// `port` of this machine is free for a server.
Finding CheckPort(int port);
// The spec parses, and the files it names can be read.
std::vector<Finding> CheckSpec(const std::string& path);
// A coordinator answers there, of this release, with servers and workers.
std::vector<Finding> CheckFleet(const std::string& address);

}  // namespace paceline::cli

#endif  // PACELINE_CLI_CHECKUP_H_
