// What happened, in order: a bounded list that people read.
//
// Errors   None: an event that no longer fits pushes the oldest out.
// Threads  One object, one thread.
// Source   docs/events.md lists the kinds.
#ifndef PACELINE_SERVER_COORDINATOR_EVENTS_H_
#define PACELINE_SERVER_COORDINATOR_EVENTS_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "proto/control.pb.h"

namespace paceline {

enum class EventKind {
  kCoordinatorStarted,
  kStoreFailed,
  kStoreRecovered,
  kWorkerJoined,
  kWorkerLeft,
  kWorkerExpired,
  kWorkerReplaced,
  kWorkerRefused,
  kServerJoined,
  kServerLeft,
  kServerExpired,
  kServerReplaced,
  kServerDraining,
  kServerDrained,
  kDrainCancelled,
  kRebalanced,
  kJobSubmitted,
  kJobStarted,
  kJobEvaluating,
  kJobEvaluated,
  kJobFinished,
  kJobFailed,
  kJobCancelled,
  kJobDropped,
  kJobScaled,
  kRosterChanged,
  kModeChangeRequested,
  kSegmentStarted,
  kPushInvalid,
  kReplicaAdded,
  kReplicaInSync,
  kReplicaOutOfSync,
  kReplicaDiverged,
  kReplicaRemoved,
  kPrimaryChanged,
  kPushesLost,
  kCheckpointWritten,
  kCheckpointFailed,
  kCheckpointMoved,
  kCheckpointUnusable,
  kJobRestored,
};

// "worker-joined" and so on.
absl::string_view EventKindName(EventKind kind);
std::vector<EventKind> AllEventKinds();

class EventLog {
 public:
  // Numbers its events from `first`, which is at least 1, and keeps the newest `kept`.
  EventLog(uint64_t first, size_t kept) : next_(first), kept_(kept) {}

  // The event as it was appended.
  v1::Event Append(absl::Time now, absl::string_view job, EventKind kind,
                   absl::string_view subject, absl::string_view message);

  // Up to `most` events with a sequence above `after`, oldest first; of one job, or of all for "".
  std::vector<v1::Event> After(absl::string_view job, uint64_t after, size_t most) const;

 private:
  uint64_t next_;
  const size_t kept_;
  std::deque<v1::Event> events_;
};

}  // namespace paceline

#endif  // PACELINE_SERVER_COORDINATOR_EVENTS_H_
