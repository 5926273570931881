// paceline-server: flags in, one Server, exit code out. Exit codes: 0 ended by SIGTERM or SIGINT; 1
// it could not start; 2 the command line is wrong; 128 + n a second signal n ended it at once.
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/synchronization/notification.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/signals.h"
#include "common/base/status_macros.h"
#include "common/net/transport.h"
#include "server/flags.h"
#include "server/server.h"

namespace {

using paceline::Flags;
using paceline::LogLevel;

absl::Status Serve(const Flags& flags, paceline::Logger* logger, const sigset_t& signals) {
  paceline::ServerOptions options = flags.server;
  options.logger = logger;
  ASSIGN_OR_RETURN(std::unique_ptr<paceline::Server> server,
                   paceline::Server::Start(std::move(options)));
  if (!flags.port_file.empty()) {
    RETURN_IF_ERROR(paceline::WriteFileAtomically(flags.port_file, server->address() + "\n"));
  }
  int signal = 0;
  sigwait(&signals, &signal);
  logger->Log(LogLevel::kInfo, "stopping; a second signal ends it at once", {{"signal", signal}});
  if (!flags.port_file.empty()) ::unlink(flags.port_file.c_str());
  absl::Notification stopped;
  std::thread stopper([&] {
    server->Stop();
    stopped.Notify();
  });
  paceline::EndOnSecondSignal(signals, &stopped);
  stopper.join();
  logger->Log(LogLevel::kInfo, "stopped");
  return absl::OkStatus();
}

int Fail(const absl::Status& status, int code) {
  const std::string message(status.message());
  std::fprintf(stderr, "paceline-server: %s\n", message.c_str());
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  paceline::SetUpProcess();
  const sigset_t signals = paceline::BlockStopSignals();
  const absl::StatusOr<Flags> flags = paceline::ParseFlags(argc, argv);
  if (!flags.ok()) return Fail(flags.status(), 2);
  if (!flags->answer.empty()) {
    std::printf("%s\n", flags->answer.c_str());
    return 0;
  }
  auto logger = paceline::Logger::Create(flags->log);
  if (!logger.ok()) return Fail(logger.status(), 1);
  const absl::Status status = Serve(*flags, logger->get(), signals);
  if (status.ok()) return 0;
  if (!flags->log.file.empty()) (*logger)->Log(LogLevel::kError, status.message());
  return Fail(status, 1);
}
