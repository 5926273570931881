// What the command lines of the programs that run until they are told to end have in common: how a
// flag is also named in the environment and in a file, the log's flags, --help and --version.
//
// Shapes   The program "paceline-worker" reads --log-file also from PACELINE_WORKER_LOG_FILE, and
//          as `log-file = "..."` from the file of --config. A flag counts before the file, the file
//          before the environment.
// Errors   InvalidArgument, in a sentence for the person who typed it: an unknown flag, a value out
//          of range, a file that cannot be read or has an unknown word.
// Threads  Reads the environment; use it before there are other threads.
#ifndef PACELINE_COMMON_BASE_DAEMON_FLAGS_H_
#define PACELINE_COMMON_BASE_DAEMON_FLAGS_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "common/base/log.h"

namespace CLI {
class App;
}  // namespace CLI

namespace paceline {

struct DaemonProgram {
  std::string name;        // "paceline-worker".
  std::string purpose;     // The first line of --help.
  std::string exit_codes;  // The last.
};

class DaemonFlags {
 public:
  explicit DaemonFlags(const DaemonProgram& program);
  ~DaemonFlags();

  // Where the program adds flags of its own, without names in the environment.
  CLI::App& app() { return *app_; }

  // Once. Fills in what the flags of app() are bound to.
  absl::Status Parse(int argc, const char* const* argv);

  // After Parse.
  const LogOptions& log() const { return log_; }
  // What --help or --version asked for; the program then only prints it.
  const std::string& answer() const { return answer_; }

 private:
  void AddLogFlags();
  void NameInEnvironment();

  const std::string program_;
  const std::unique_ptr<CLI::App> app_;
  std::string log_format_ = "text";
  std::string log_level_ = "info";
  LogOptions log_;
  std::string answer_;
};

}  // namespace paceline

#endif  // PACELINE_COMMON_BASE_DAEMON_FLAGS_H_
