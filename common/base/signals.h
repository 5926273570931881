// SIGTERM and SIGINT as events that main waits for.
//
// Threads  BlockStopSignals before any other thread is started: they are born with them blocked.
#ifndef PACELINE_COMMON_BASE_SIGNALS_H_
#define PACELINE_COMMON_BASE_SIGNALS_H_

#include <signal.h>

#include "absl/synchronization/notification.h"

namespace paceline {

// Blocks both, ignores SIGPIPE.
sigset_t BlockStopSignals();

// Returns when `stopped` is notified. A second signal ends the process at once, with 128 plus its
// number. Some programs send a signal twice in a row (timeout, to the process and to its group), so
// one that comes at once does not count as the second.
void EndOnSecondSignal(const sigset_t& signals, absl::Notification* stopped);

}  // namespace paceline

#endif  // PACELINE_COMMON_BASE_SIGNALS_H_
