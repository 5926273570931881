#include "server/coordinator/events.h"

#include <algorithm>

#include "common/base/check.h"

namespace paceline {
namespace {

struct Named {
  EventKind kind;
  const char* name;
};

constexpr Named kNames[] = {
    {EventKind::kCoordinatorStarted, "coordinator-started"},
    {EventKind::kStoreFailed, "store-failed"},
    {EventKind::kStoreRecovered, "store-recovered"},
    {EventKind::kWorkerJoined, "worker-joined"},
    {EventKind::kWorkerLeft, "worker-left"},
    {EventKind::kWorkerExpired, "worker-expired"},
    {EventKind::kWorkerReplaced, "worker-replaced"},
    {EventKind::kWorkerRefused, "worker-refused"},
    {EventKind::kServerJoined, "server-joined"},
    {EventKind::kServerLeft, "server-left"},
    {EventKind::kServerExpired, "server-expired"},
    {EventKind::kServerReplaced, "server-replaced"},
    {EventKind::kServerDraining, "server-draining"},
    {EventKind::kServerDrained, "server-drained"},
    {EventKind::kDrainCancelled, "drain-cancelled"},
    {EventKind::kRebalanced, "rebalanced"},
    {EventKind::kJobSubmitted, "job-submitted"},
    {EventKind::kJobStarted, "job-started"},
    {EventKind::kJobEvaluating, "job-evaluating"},
    {EventKind::kJobEvaluated, "job-evaluated"},
    {EventKind::kJobFinished, "job-finished"},
    {EventKind::kJobFailed, "job-failed"},
    {EventKind::kJobCancelled, "job-cancelled"},
    {EventKind::kJobDropped, "job-dropped"},
    {EventKind::kJobScaled, "job-scaled"},
    {EventKind::kRosterChanged, "roster-changed"},
    {EventKind::kModeChangeRequested, "mode-change-requested"},
    {EventKind::kSegmentStarted, "segment-started"},
    {EventKind::kPushInvalid, "push-invalid"},
    {EventKind::kReplicaAdded, "replica-added"},
    {EventKind::kReplicaInSync, "replica-in-sync"},
    {EventKind::kReplicaOutOfSync, "replica-out-of-sync"},
    {EventKind::kReplicaDiverged, "replica-diverged"},
    {EventKind::kReplicaRemoved, "replica-removed"},
    {EventKind::kPrimaryChanged, "primary-changed"},
    {EventKind::kPushesLost, "pushes-lost"},
    {EventKind::kCheckpointWritten, "checkpoint-written"},
    {EventKind::kCheckpointFailed, "checkpoint-failed"},
    {EventKind::kCheckpointMoved, "checkpoint-moved"},
    {EventKind::kCheckpointUnusable, "checkpoint-unusable"},
    {EventKind::kJobRestored, "job-restored"},
};

}  // namespace

absl::string_view EventKindName(EventKind kind) {
  for (const Named& named : kNames) {
    if (named.kind == kind) return named.name;
  }
  PACELINE_CHECK(false);
  return "";
}

std::vector<EventKind> AllEventKinds() {
  std::vector<EventKind> kinds;
  for (const Named& named : kNames) kinds.push_back(named.kind);
  return kinds;
}

v1::Event EventLog::Append(absl::Time now, absl::string_view job, EventKind kind,
                           absl::string_view subject, absl::string_view message) {
  v1::Event event;
  event.set_sequence(next_++);
  event.set_unix_s(absl::ToDoubleSeconds(now - absl::UnixEpoch()));
  event.set_job(std::string(job));
  event.set_kind(std::string(EventKindName(kind)));
  event.set_subject(std::string(subject));
  event.set_message(std::string(message));
  events_.push_back(event);
  while (events_.size() > kept_) events_.pop_front();
  return event;
}

std::vector<v1::Event> EventLog::After(absl::string_view job, uint64_t after, size_t most) const {
  std::vector<v1::Event> found;
  const auto begin = std::partition_point(
      events_.begin(), events_.end(),
      [after](const v1::Event& event) { return event.sequence() <= after; });
  for (auto it = begin; it != events_.end() && found.size() < most; ++it) {
    if (job.empty() || it->job() == job) found.push_back(*it);
  }
  return found;
}

}  // namespace paceline
