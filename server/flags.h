// The command line of paceline-server, its environment and its configuration file.
//
// Errors   InvalidArgument, in a sentence for the person who typed it: an unknown flag, a value out
// of
//          range, a configuration file that cannot be read.
// Threads  Reads the environment; call it before there are other threads.
#ifndef PACELINE_SERVER_FLAGS_H_
#define PACELINE_SERVER_FLAGS_H_

#include <string>

#include "absl/status/statusor.h"
#include "common/base/log.h"
#include "server/server.h"

namespace paceline {

struct Flags {
  ServerOptions server;  // Without a logger.
  LogOptions log;
  std::string port_file;  // Empty: none.
  // What --help or --version asked for; the program then only prints it.
  std::string answer;
};

// A flag counts before the configuration file, that before the environment
// (PACELINE_SERVER_<NAME>).
absl::StatusOr<Flags> ParseFlags(int argc, const char* const* argv);

}  // namespace paceline

#endif  // PACELINE_SERVER_FLAGS_H_
