#include "common/base/signals.h"

#include <unistd.h>

#include <ctime>

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace paceline {

sigset_t BlockStopSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  return signals;
}

void EndOnSecondSignal(const sigset_t& signals, absl::Notification* stopped) {
  const absl::Time serious = absl::Now() + absl::Milliseconds(500);
  const timespec none = {0, 0};
  while (!stopped->WaitForNotificationWithTimeout(absl::Milliseconds(20))) {
    const int signal = sigtimedwait(&signals, nullptr, &none);
    if (signal > 0 && absl::Now() > serious) ::_exit(128 + signal);
  }
}

}  // namespace paceline
