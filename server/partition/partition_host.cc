#include "server/partition/partition_host.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "server/partition/partition_copy.h"
#include "server/partition/partition_spec.h"

namespace paceline {
namespace {

absl::Status NotHeld(absl::string_view job, uint32_t partition) {
  return absl::FailedPreconditionError(
      absl::StrCat("partition ", partition, " of ", job, " is not held by this server"));
}

bool HasEndedBadly(v1::JobState state) { return state == v1::CANCELLED || state == v1::FAILED; }

absl::Status EndOf(const v1::JobDirective& directive) {
  return absl::CancelledError(absl::StrCat(
      directive.job(), directive.state() == v1::FAILED ? " has failed" : " was cancelled"));
}

// `next_call` outlives the copies.
PartitionCopy::Options CopyOptionsOf(const PartitionHost::Options& options,
                                     std::atomic<uint64_t>* next_call) {
  return {options.replication, options.digest_interval,
          [next_call] { return next_call->fetch_add(1); }};
}

bool SameOrigin(const v1::RestoreOrigin& a, const v1::RestoreOrigin& b) {
  return a.path() == b.path() && a.job() == b.job() && a.id() == b.id();
}

std::string ComplaintKey(absl::string_view job, uint32_t partition) {
  return absl::StrCat(job, "/", partition);
}

}  // namespace

struct PartitionHost::Held {
  explicit Held(std::unique_ptr<PartitionCopy> held)
      : elements(held->elements()), replica(held->replica()), copy(std::move(held)) {}

  const uint64_t elements;
  const uint64_t replica;
  // Nanoseconds since the epoch, so that a tick need not wait for a copy that has nothing to do.
  std::atomic<int64_t> next_tick{std::numeric_limits<int64_t>::max()};
  // Pushes to different partitions take different ones.
  absl::Mutex mutex;
  const std::unique_ptr<PartitionCopy> copy ABSL_PT_GUARDED_BY(mutex);
};

// What a placement means to one server.
struct PartitionHost::Place {
  bool is_held = false;
  bool is_primary = false;
  bool is_in_sync = false;
  bool is_alone = false;  // The placement names no replicas.
  uint64_t replica = 0;

  static Place Of(const v1::ServerIdentity& self, const v1::PartitionPlacement& placement) {
    Place place;
    place.is_primary =
        placement.server() == self.id() && placement.server_incarnation() == self.incarnation();
    if (placement.replicas_size() == 0) {
      place.is_held = place.is_in_sync = place.is_primary;
      place.is_alone = true;
      return place;
    }
    for (const v1::PartitionReplica& replica : placement.replicas()) {
      if (replica.server() != self.id() || replica.server_incarnation() != self.incarnation()) {
        continue;
      }
      place.is_held = true;
      place.is_in_sync = replica.in_sync();
      place.replica = replica.id();
    }
    return place;
  }
};

PartitionHost::PartitionHost(Options options, AnswerSink sink, ReplicaSink replica_sink)
    : options_(std::move(options)),
      sink_(std::move(sink)),
      replica_sink_(std::move(replica_sink)) {}

PartitionHost::~PartitionHost() = default;

absl::StatusOr<std::shared_ptr<PartitionHost::Held>> PartitionHost::Find(
    const v1::PartitionKey& key) const {
  absl::ReaderMutexLock lock(&table_mutex_);
  const auto job = jobs_.find(key.job());
  if (job == jobs_.end()) return NotHeld(key.job(), key.partition());
  if (!job->second.ended.ok()) return job->second.ended;
  const auto held = job->second.partitions.find(key.partition());
  if (held == job->second.partitions.end()) return NotHeld(key.job(), key.partition());
  return held->second;
}

absl::StatusOr<std::shared_ptr<PartitionHost::Held>> PartitionHost::FindReplica(
    const v1::ReplicaKey& key) const {
  absl::ReaderMutexLock lock(&table_mutex_);
  const auto job = jobs_.find(key.job());
  if (job == jobs_.end()) return NotHeld(key.job(), key.partition());
  const auto held = job->second.partitions.find(key.partition());
  if (held == job->second.partitions.end()) return NotHeld(key.job(), key.partition());
  if (held->second->replica == key.replica()) return held->second;
  return absl::FailedPreconditionError(
      absl::StrCat("this server's copy of partition ", key.partition(), " of ", key.job(), " is ",
                   held->second->replica, ", not ", key.replica()));
}

absl::StatusOr<uint64_t> PartitionHost::Elements(const v1::PartitionKey& key) const {
  ASSIGN_OR_RETURN(const std::shared_ptr<Held> held, Find(key));
  return held->elements;
}

absl::StatusOr<uint64_t> PartitionHost::ReplicaElements(const v1::ReplicaKey& key) const {
  ASSIGN_OR_RETURN(const std::shared_ptr<Held> held, FindReplica(key));
  return held->elements;
}

template <typename Event>
void PartitionHost::Dispatch(absl::Time now, const v1::PartitionKey& key, uint64_t call,
                             Event event) {
  const absl::StatusOr<std::shared_ptr<Held>> held = Find(key);
  if (!held.ok()) return sink_({call, held.status(), {}, nullptr});
  Effects effects;
  With(now, *held, &effects, [&](PartitionCopy* copy) { event(copy, &effects.answers); });
  Do(now, std::move(effects));
}

template <typename Event>
void PartitionHost::With(absl::Time now, const std::shared_ptr<Held>& held, Effects* effects,
                         Event event) {
  absl::MutexLock lock(&held->mutex);
  PartitionCopy& copy = *held->copy;
  event(&copy);
  absl::optional<CheckpointWork> work = copy.TakeCheckpointWork();
  if (work.has_value()) effects->works.push_back(*std::move(work));
  if (copy.TakeNews()) news_.store(true);
  std::vector<ReplicaCall> calls = copy.TakeCalls(now);
  held->next_tick.store(absl::ToUnixNanos(copy.NextTick()));
  if (calls.empty()) return;
  absl::MutexLock routes_lock(&routes_mutex_);
  for (ReplicaCall& call : calls) {
    routes_[call.id] = held;
    effects->calls.push_back(std::move(call));
  }
}

void PartitionHost::Do(absl::Time now, Effects effects) {
  // First what others wait for.
  for (ReplicaCall& call : effects.calls) replica_sink_(std::move(call));
  for (Answer& answer : effects.answers) sink_(std::move(answer));
  for (CheckpointWork& work : effects.works) {
    if (options_.checkpoint != nullptr) {
      options_.checkpoint(std::move(work));
      continue;
    }
    v1::CheckpointReport report;
    report.set_id(work.order.id());
    report.set_error("this server writes no checkpoints");
    OnCheckpointDone(now, work.job, work.partition, report);
  }
}

void PartitionHost::OnCheckpointDone(absl::Time now, const std::string& job, uint32_t partition,
                                     const v1::CheckpointReport& report) {
  v1::PartitionKey key;
  key.set_job(job);
  key.set_partition(partition);
  const absl::StatusOr<std::shared_ptr<Held>> held = Find(key);
  if (!held.ok()) return;
  Effects effects;
  With(now, *held, &effects, [&](PartitionCopy* copy) { copy->OnCheckpointDone(report); });
  Do(now, std::move(effects));
}

void PartitionHost::OnPush(absl::Time now, uint64_t call, const v1::PushHeader& header,
                           std::shared_ptr<Block> gradients, bool want_parameters) {
  Dispatch(now, header.key(), call, [&](PartitionCopy* copy, Answers* answers) {
    copy->OnPush(now, call, header, std::move(gradients), want_parameters, answers);
  });
}

void PartitionHost::OnPull(absl::Time now, uint64_t call, const v1::PullRequest& request) {
  Dispatch(now, request.key(), call, [&](PartitionCopy* copy, Answers* answers) {
    copy->OnPull(now, call, request, answers);
  });
}

void PartitionHost::OnSettle(absl::Time now, uint64_t call, const v1::SettleRequest& request) {
  Dispatch(now, request.key(), call, [&](PartitionCopy* copy, Answers* answers) {
    copy->OnSettle(now, call, request, answers);
  });
}

void PartitionHost::OnReplicaDone(absl::Time now, uint64_t id, const absl::Status& status,
                                  const v1::ReplicaReply& reply) {
  std::shared_ptr<Held> held;
  {
    absl::MutexLock lock(&routes_mutex_);
    const auto it = routes_.find(id);
    if (it == routes_.end()) return;
    held = it->second.lock();
    routes_.erase(it);
  }
  if (held == nullptr) return;
  Effects effects;
  With(now, held, &effects,
       [&](PartitionCopy* copy) { copy->OnReplicaDone(now, id, status, reply, &effects.answers); });
  Do(now, std::move(effects));
}

absl::StatusOr<v1::ReplicaReply> PartitionHost::OnAppend(absl::Time now,
                                                         const v1::AppendHeader& header,
                                                         std::shared_ptr<Block> gradients) {
  ASSIGN_OR_RETURN(const std::shared_ptr<Held> held, FindReplica(header.key()));
  absl::StatusOr<v1::ReplicaReply> reply = absl::UnknownError("not worked out yet");
  Effects effects;
  With(now, held, &effects, [&](PartitionCopy* copy) {
    reply = copy->OnAppend(now, header, std::move(gradients), &effects.answers);
  });
  Do(now, std::move(effects));
  return reply;
}

absl::StatusOr<v1::ReplicaReply> PartitionHost::OnInstall(absl::Time now,
                                                          const v1::InstallHeader& header,
                                                          std::shared_ptr<Block> floats) {
  ASSIGN_OR_RETURN(const std::shared_ptr<Held> held, FindReplica(header.key()));
  absl::StatusOr<v1::ReplicaReply> reply = absl::UnknownError("not worked out yet");
  Effects effects;
  With(now, held, &effects, [&](PartitionCopy* copy) {
    reply = copy->OnInstall(now, header, std::move(floats), &effects.answers);
  });
  Do(now, std::move(effects));
  return reply;
}

void PartitionHost::OnTick(absl::Time now) {
  const int64_t now_ns = absl::ToUnixNanos(now);
  Effects effects;
  for (const std::shared_ptr<Held>& held : All()) {
    if (held->next_tick.load() > now_ns) continue;
    With(now, held, &effects, [&](PartitionCopy* copy) { copy->OnTick(now, &effects.answers); });
  }
  Do(now, std::move(effects));
}

absl::Time PartitionHost::NextTick() const {
  int64_t next = std::numeric_limits<int64_t>::max();
  for (const std::shared_ptr<Held>& held : All()) next = std::min(next, held->next_tick.load());
  return next == std::numeric_limits<int64_t>::max() ? absl::InfiniteFuture()
                                                     : absl::FromUnixNanos(next);
}

std::vector<std::shared_ptr<PartitionHost::Held>> PartitionHost::All() const {
  std::vector<std::shared_ptr<Held>> all;
  absl::ReaderMutexLock lock(&table_mutex_);
  for (const auto& [id, job] : jobs_) {
    for (const auto& [index, held] : job.partitions) all.push_back(held);
  }
  return all;
}

void PartitionHost::OnCancel(uint64_t call) {
  for (const std::shared_ptr<Held>& held : All()) {
    absl::MutexLock lock(&held->mutex);
    held->copy->OnCancel(call);
  }
}

std::vector<v1::PartitionReport> PartitionHost::Report(absl::Time now) const {
  std::vector<v1::PartitionReport> reports;
  for (const std::shared_ptr<Held>& held : All()) {
    absl::MutexLock lock(&held->mutex);
    reports.push_back(held->copy->Report(now));
  }
  absl::ReaderMutexLock lock(&table_mutex_);
  for (const auto& [id, job] : jobs_) {
    for (const auto& [index, one] : job.unrestored) reports.push_back(one.report);
  }
  return reports;
}

BlockRef PartitionHost::Parameters(const std::string& job, uint32_t partition) const {
  v1::PartitionKey key;
  key.set_job(job);
  key.set_partition(partition);
  const absl::StatusOr<std::shared_ptr<Held>> held = Find(key);
  if (!held.ok()) return nullptr;
  absl::MutexLock lock(&(*held)->mutex);
  return (*held)->copy->Parameters();
}

bool PartitionHost::TakeNews() { return news_.exchange(false); }

void PartitionHost::OnDirectives(absl::Time now, const v1::ServerSyncReply& reply) {
  if (!reply.changed()) return;
  Effects effects;
  std::vector<std::string> complaints;
  {
    absl::MutexLock lock(&directives_mutex_);
    DropOthers(now, reply, &effects);
    for (const v1::JobDirective& directive : reply.jobs()) {
      Follow(now, reply.server(), directive, &effects);
    }
    complaints.swap(unsaid_);
  }
  Do(now, std::move(effects));
  if (options_.complain == nullptr) return;
  for (const std::string& complaint : complaints) options_.complain(complaint);
}

void PartitionHost::DropOthers(absl::Time now, const v1::ServerSyncReply& reply, Effects* effects) {
  std::map<std::string, std::map<uint32_t, uint64_t>> named;  // Job -> partition -> replica.
  for (const v1::JobDirective& directive : reply.jobs()) {
    auto& partitions = named[directive.job()];
    for (const v1::PartitionPlacement& placement : directive.placement()) {
      const Place place = Place::Of(reply.server(), placement);
      if (place.is_held) partitions[placement.partition()] = place.replica;
    }
  }
  std::vector<std::pair<std::shared_ptr<Held>, absl::Status>> dropped;
  {
    absl::MutexLock lock(&table_mutex_);
    for (auto job = jobs_.begin(); job != jobs_.end();) {
      const auto kept = named.find(job->first);
      auto& partitions = job->second.partitions;
      for (auto it = partitions.begin(); it != partitions.end();) {
        if (kept != named.end()) {
          const auto place = kept->second.find(it->first);
          if (place != kept->second.end() && place->second == it->second->replica) {
            ++it;
            continue;
          }
        }
        complaints_.erase(ComplaintKey(job->first, it->first));
        dropped.emplace_back(it->second, NotHeld(job->first, it->first));
        it = partitions.erase(it);
      }
      auto& unrestored = job->second.unrestored;
      for (auto it = unrestored.begin(); it != unrestored.end();) {
        const bool is_kept = kept != named.end() && kept->second.count(it->first) > 0 &&
                             kept->second.at(it->first) == it->second.report.replica();
        it = is_kept ? std::next(it) : unrestored.erase(it);
      }
      job = kept == named.end() ? jobs_.erase(job) : std::next(job);
    }
  }
  for (const auto& [held, reason] : dropped) {
    With(now, held, effects,
         [&, &why = reason](PartitionCopy* copy) { copy->End(why, &effects->answers); });
  }
}

void PartitionHost::Follow(absl::Time now, const v1::ServerIdentity& self,
                           const v1::JobDirective& directive, Effects* effects) {
  std::map<uint32_t, std::shared_ptr<Held>> held;
  {
    absl::MutexLock lock(&table_mutex_);
    Job& job = jobs_[directive.job()];
    if (HasEndedBadly(directive.state()) && job.ended.ok()) job.ended = EndOf(directive);
    held = job.partitions;
  }
  if (HasEndedBadly(directive.state())) {
    for (const auto& [index, one] : held) {
      With(now, one, effects,
           [&](PartitionCopy* copy) { copy->End(EndOf(directive), &effects->answers); });
    }
    return;
  }
  absl::StatusOr<JobLayout> layout = absl::UnknownError("not worked out yet");
  for (const v1::PartitionPlacement& placement : directive.placement()) {
    const Place place = Place::Of(self, placement);
    if (!place.is_held) continue;
    const auto it = held.find(placement.partition());
    absl::StatusOr<std::shared_ptr<Held>> one = absl::UnknownError("not made yet");
    if (it != held.end()) {
      one = it->second;
    } else {
      if (absl::IsUnknown(layout.status())) layout = LayoutOf(directive);
      one = layout.ok() ? CreateCopy(directive, *layout, placement, place) : layout.status();
    }
    absl::Status status = one.status();
    if (one.ok()) {
      With(now, *one, effects, [&](PartitionCopy* copy) {
        status = copy->OnDirective(now, directive, placement, place.is_primary, &effects->answers);
      });
    }
    // Only now can calls find it, so none meets a new primary that is still a backup.
    if (it == held.end() && status.ok()) {
      absl::MutexLock lock(&table_mutex_);
      jobs_[directive.job()].partitions.emplace(placement.partition(), *one);
    }
    NoteComplaint(directive.job(), placement.partition(), status);
  }
}

absl::StatusOr<std::shared_ptr<PartitionHost::Held>> PartitionHost::CreateCopy(
    const v1::JobDirective& directive, const JobLayout& layout,
    const v1::PartitionPlacement& placement, const Place& place) {
  const uint32_t index = placement.partition();
  if (index >= layout.partitions.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("partition ", index, " is placed; the job has ", layout.partitions.size()));
  }
  const v1::Segment& segment = directive.segment();
  const bool is_restored = directive.has_restore();
  // A job that is restored at its end may be evaluated before this server hears of it.
  const bool is_beginning =
      is_restored ? directive.state() == v1::RUNNING || directive.state() == v1::EVALUATING
                  : directive.state() == v1::RUNNING && segment.first_version() == 0 &&
                        segment.first_shard() == 0;
  const std::string name = absl::StrCat(directive.job(), "/", index, "/", place.replica);
  const bool was_here = !place.is_alone && ever_held_.count(name) > 0;
  const bool starts_with_state = place.is_in_sync && is_beginning && !was_here;
  if (place.is_primary && !starts_with_state) {
    return absl::FailedPreconditionError(absl::StrCat(
        "partition ", index, " of ", directive.job(), " is placed here in state ",
        v1::JobState_Name(directive.state()), " with segment ", segment.index(), " from version ",
        segment.first_version(), "; this server holds no such state"));
  }
  if (starts_with_state && is_restored) {
    ASSIGN_OR_RETURN(auto copy, RestoreCopy(directive, layout, placement, place));
    ever_held_.insert(name);
    return std::make_shared<Held>(std::move(copy));
  }
  ASSIGN_OR_RETURN(PartitionSpec spec, PartitionSpecOf(directive, layout, index));
  ASSIGN_OR_RETURN(
      auto copy,
      PartitionCopy::Create(CopyOptionsOf(options_, &next_call_), std::move(spec), place.replica,
                            starts_with_state ? InitialBlock(layout, index) : nullptr));
  ever_held_.insert(name);
  return std::make_shared<Held>(std::move(copy));
}

absl::StatusOr<std::unique_ptr<PartitionCopy>> PartitionHost::RestoreCopy(
    const v1::JobDirective& directive, const JobLayout& layout,
    const v1::PartitionPlacement& placement, const Place& place) {
  const uint32_t index = placement.partition();
  const v1::RestoreOrigin& origin = directive.restore();
  // What failed once is not read again; damage stays.
  absl::Status why;
  {
    absl::MutexLock lock(&table_mutex_);
    auto& unrestored = jobs_[directive.job()].unrestored;
    const auto it = unrestored.find(index);
    if (it != unrestored.end() && it->second.report.replica() == place.replica &&
        SameOrigin(it->second.origin, origin)) {
      why = it->second.why;
    }
    unrestored.erase(index);
  }
  if (why.ok()) {
    ASSIGN_OR_RETURN(PartitionSpec spec, PartitionSpecOf(directive, layout, index));
    auto copy = ReadCopy(directive, layout, std::move(spec), place.replica, placement.term());
    if (copy.ok()) return copy;
    why =
        absl::Status(copy.status().code(),
                     absl::StrCat("it cannot be restored from checkpoint ", origin.id(), " in ",
                                  origin.path(), "/", origin.job(), ": ", copy.status().message()));
    news_.store(true);
  }
  Unrestored failed;
  failed.origin = origin;
  failed.why = why;
  v1::PartitionReport& report = failed.report;
  report.set_job(directive.job());
  report.set_partition(index);
  report.set_term(placement.term());
  report.set_segment(directive.segment().index());
  report.set_replica(place.replica);
  report.set_config(placement.config());
  report.set_is_backup(!place.is_primary);
  report.mutable_checkpoint()->set_id(origin.id());
  report.mutable_checkpoint()->set_error(std::string(why.message()));
  absl::MutexLock lock(&table_mutex_);
  jobs_[directive.job()].unrestored[index] = std::move(failed);
  return why;
}

absl::StatusOr<std::unique_ptr<PartitionCopy>> PartitionHost::ReadCopy(
    const v1::JobDirective& directive, const JobLayout& layout, PartitionSpec spec,
    uint64_t replica, uint64_t term) {
  if (options_.restore == nullptr) {
    return absl::FailedPreconditionError("this server reads no checkpoints");
  }
  ASSIGN_OR_RETURN(PartitionImage image,
                   options_.restore(directive.restore(), layout, spec.partition));
  // Incarnations and clocks mean something only in the job in which they were counted, and where
  // data shards say what has been applied nobody needs them.
  const bool goes_on = spec.work.is_bare() && directive.segment().index() > 0 &&
                       directive.restore().job() == directive.job();
  if (!goes_on) image.state.clear_workers();
  return PartitionCopy::Restore(CopyOptionsOf(options_, &next_call_), std::move(spec), replica,
                                image, term);
}

void PartitionHost::NoteComplaint(const std::string& job, uint32_t partition,
                                  const absl::Status& status) {
  const std::string key = ComplaintKey(job, partition);
  if (status.ok()) {
    complaints_.erase(key);
    return;
  }
  std::string& said = complaints_[key];
  if (said == status.message()) return;
  said = std::string(status.message());
  unsaid_.push_back(absl::StrCat("partition ", partition, " of ", job,
                                 ": directive refused: ", status.ToString()));
}

}  // namespace paceline
