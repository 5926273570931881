// A child process of this one: its output in a file, and it never outlives us.
//
// Errors   Internal: fork, exec or the log file failed; the message has errno's text, and no
// process
//          is left.
// Threads  One object, one thread. Start only from the thread that lives as long as the process:
//          Linux ends the child when the thread that started it ends.
#ifndef PACELINE_CLI_PROCESS_H_
#define PACELINE_CLI_PROCESS_H_

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace paceline::cli {

class Process {
 public:
  // Runs arguments[0] (a path) with standard output and error appended to `log_path`. It leaves our
  // process group, so that Ctrl-C reaches only us.
  static absl::StatusOr<std::unique_ptr<Process>> Start(const std::vector<std::string>& arguments,
                                                        const std::string& log_path);
  // Ends the process if it is still running: SIGTERM, and SIGKILL two seconds later.
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t pid() const { return pid_; }

  // How it ended ("exit status 3", "signal 9"); nothing while it runs.
  std::optional<std::string> Ended();

  void Signal(int signal);

  // Whether it has ended within `timeout`.
  bool WaitFor(absl::Duration timeout);

 private:
  explicit Process(pid_t pid) : pid_(pid) {}

  const pid_t pid_;
  std::optional<int> wait_status_;
};

}  // namespace paceline::cli

#endif  // PACELINE_CLI_PROCESS_H_
