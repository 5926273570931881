#include "cli/process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace paceline::cli {
namespace {

absl::Status Errno(const std::string& what) {
  return absl::InternalError(absl::StrCat(what, ": ", std::strerror(errno)));
}

// In the child, between fork and exec: async-signal-safe calls only. Should exec fail, errno goes
// to `report`.
[[noreturn]] void Become(char* const* arguments, int log, int report, pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(127);  // It died before the line above.
  ::setpgid(0, 0);
  ::dup2(log, STDOUT_FILENO);
  ::dup2(log, STDERR_FILENO);
  ::execv(arguments[0], arguments);
  const int error = errno;
  (void)!::write(report, &error, sizeof(error));
  ::_exit(127);
}

// What a child wrote to `report`; 0 once exec has closed it.
int ReadReport(int report) {
  int error = 0;
  ssize_t bytes = 0;
  do {
    bytes = ::read(report, &error, sizeof(error));
  } while (bytes < 0 && errno == EINTR);
  return bytes == sizeof(error) ? error : 0;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Process>> Process::Start(const std::vector<std::string>& arguments,
                                                        const std::string& log_path) {
  const int log = ::open(log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (log < 0) return Errno(absl::StrCat("cannot write ", log_path));
  int report[2] = {-1, -1};
  if (::pipe2(report, O_CLOEXEC) != 0) {
    const absl::Status failed = Errno("cannot make a pipe");
    ::close(log);
    return failed;
  }
  std::vector<char*> pointers;
  for (const std::string& argument : arguments) {
    pointers.push_back(const_cast<char*>(argument.c_str()));
  }
  pointers.push_back(nullptr);

  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid == 0) Become(pointers.data(), log, report[1], parent);
  int error = pid < 0 ? errno : 0;
  ::close(log);
  ::close(report[1]);
  if (pid > 0) error = ReadReport(report[0]);
  ::close(report[0]);
  if (error == 0) return std::unique_ptr<Process>(new Process(pid));
  if (pid > 0) ::waitpid(pid, nullptr, 0);
  errno = error;
  return Errno(absl::StrCat("cannot start ", arguments[0]));
}

Process::~Process() {
  if (Ended().has_value()) return;
  Signal(SIGTERM);
  if (WaitFor(absl::Seconds(2))) return;
  Signal(SIGKILL);
  WaitFor(absl::Seconds(10));
}

std::optional<std::string> Process::Ended() {
  if (!wait_status_.has_value()) {
    int status = 0;
    const pid_t ended = ::waitpid(pid_, &status, WNOHANG);
    if (ended != pid_) return std::nullopt;
    wait_status_ = status;
  }
  if (WIFSIGNALED(*wait_status_)) return absl::StrCat("signal ", WTERMSIG(*wait_status_));
  return absl::StrCat("exit status ", WEXITSTATUS(*wait_status_));
}

void Process::Signal(int signal) {
  if (!wait_status_.has_value()) ::kill(pid_, signal);
}

bool Process::WaitFor(absl::Duration timeout) {
  const absl::Time end = absl::Now() + timeout;
  while (!Ended().has_value()) {
    if (absl::Now() >= end) return false;
    absl::SleepFor(absl::Milliseconds(5));
  }
  return true;
}

}  // namespace paceline::cli
