// All copies of partitions on one server: finds the one a call is for and lets it answer.
//
// Shapes   A push's gradients are [pieces * elements] float32, piece after piece; an Append's
//          [entries * elements].
// Units    `call` is the transport's number for one request, unique among those not yet answered.
// Errors   Every call gets exactly one Answer, from inside the event that decides it, unless it is
//          cancelled first. A job or partition that is not held here is FAILED_PRECONDITION: a
//          directive may be on its way. Calls of a job that was cancelled or has failed are
//          CANCELLED. The other codes: proto/parameter.proto.
// Threads  Safe. Calls for different partitions run in parallel. No lock is held while a sink or
// the
//          complaint hook runs; they may be called from any thread that calls in.
// Source   docs/protocol.md.
#ifndef PACELINE_SERVER_PARTITION_PARTITION_HOST_H_
#define PACELINE_SERVER_PARTITION_PARTITION_HOST_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/tensor/block.h"
#include "proto/control.pb.h"
#include "proto/parameter.pb.h"
#include "proto/replica.pb.h"
#include "server/checkpoint/partition_image.h"
#include "server/partition/answer.h"
#include "server/partition/checkpoint_work.h"
#include "server/replica/log.h"
#include "server/replica/replica_call.h"

namespace paceline {

struct JobLayout;
struct PartitionSpec;
class PartitionCopy;

class PartitionHost {
 public:
  using AnswerSink = std::function<void(Answer)>;
  // Carries out a call to another server; its outcome comes back through OnReplicaDone.
  using ReplicaSink = std::function<void(ReplicaCall)>;
  // Writes for a checkpoint; the outcome comes back through OnCheckpointDone.
  using CheckpointSink = std::function<void(CheckpointWork)>;
  // What a checkpoint holds of a partition. May take long. Its errors name the file, what was seen
  // and what was wanted.
  using Restore = std::function<absl::StatusOr<PartitionImage>(
      const v1::RestoreOrigin& origin, const JobLayout& layout, uint32_t partition)>;

  struct Options {
    ReplicationOptions replication;
    // Hears, once, of each directive that cannot be followed, in a sentence; may be null.
    std::function<void(absl::string_view)> complain;
    // Entries between two digests.
    uint64_t digest_interval = 256;
    // Null: checkpoints are refused, with an error in the report.
    CheckpointSink checkpoint;
    Restore restore;
  };

  // `replica_sink` may be null only if no partition ever has backups.
  PartitionHost(Options options, AnswerSink sink, ReplicaSink replica_sink = nullptr);
  ~PartitionHost();
  PartitionHost(const PartitionHost&) = delete;
  PartitionHost& operator=(const PartitionHost&) = delete;

  // Elements of one partition, so that a transport can check a frame's length before it copies.
  absl::StatusOr<uint64_t> Elements(const v1::PartitionKey& key) const;

  // Push (want_parameters false) and Exchange (true). `gradients` is given away: the partition adds
  // up in it, so nobody else may read or write it from here on.
  void OnPush(absl::Time now, uint64_t call, const v1::PushHeader& header,
              std::shared_ptr<Block> gradients, bool want_parameters);
  void OnPull(absl::Time now, uint64_t call, const v1::PullRequest& request);
  void OnSettle(absl::Time now, uint64_t call, const v1::SettleRequest& request);

  // The caller has gone: its call, if parked, is forgotten and never answered. What it pushed
  // stays. A call that another thread is bringing in or answering just then may still be answered.
  void OnCancel(uint64_t call);

  // The outcome of the ReplicaCall `id`; `reply` counts if the status is OK. Unknown ids are
  // ignored.
  void OnReplicaDone(absl::Time now, uint64_t id, const absl::Status& status,
                     const v1::ReplicaReply& reply);

  // From another server, whose backup is here. Answered at once; the codes are those of
  // proto/replica.proto.
  absl::StatusOr<v1::ReplicaReply> OnAppend(absl::Time now, const v1::AppendHeader& header,
                                            std::shared_ptr<Block> gradients);
  absl::StatusOr<v1::ReplicaReply> OnInstall(absl::Time now, const v1::InstallHeader& header,
                                             std::shared_ptr<Block> floats);
  // Elements of that copy, so that a transport can check a frame's length before it copies.
  absl::StatusOr<uint64_t> ReplicaElements(const v1::ReplicaKey& key) const;

  // Lets time pass: heartbeats, retries, backups that lag, promises. To be called at NextTick() or
  // at least every 20 ms; NextTick may change with every event, and is InfiniteFuture if nothing is
  // due.
  void OnTick(absl::Time now);
  absl::Time NextTick() const;

  // The outcome of a CheckpointWork. One that nobody waits for any more is ignored.
  void OnCheckpointDone(absl::Time now, const std::string& job, uint32_t partition,
                        const v1::CheckpointReport& report);

  // Follows the directives of a reply that has `changed` set: creates the copies that are placed on
  // reply.server() (id and incarnation), brings the held ones along (a backup may become primary, a
  // primary a backup), drops what is not named. A placement without replicas means its server
  // alone, with replica id 0. A copy that this process has never had is in sync only when the job
  // begins, or begins again, so it starts from the seed then, or from the checkpoint that the
  // directive names; any other begins empty, as a backup.
  void OnDirectives(absl::Time now, const v1::ServerSyncReply& reply);

  // One for each copy held, in (job, partition) order; then one with version 0 and
  // checkpoint.error for each that could not be restored and is not served.
  std::vector<v1::PartitionReport> Report(absl::Time now) const;

  // The newest committed parameters of the copy here; null: there is none.
  BlockRef Parameters(const std::string& job, uint32_t partition) const;

  // Whether something has happened since the last call that the coordinator should hear before the
  // next interval: all granted or all rounds applied, all data shards applied, the first invalid
  // push of a partition, a backup that is caught up, lags or has diverged.
  bool TakeNews();

 private:
  // One copy under its own lock.
  struct Held;

  // A copy that was to begin from a checkpoint and could not; tried again for another replica or
  // origin only.
  struct Unrestored {
    v1::RestoreOrigin origin;
    v1::PartitionReport report;
    absl::Status why;
  };

  struct Job {
    // Not OK: why all its calls end.
    absl::Status ended;
    std::map<uint32_t, std::shared_ptr<Held>> partitions;
    std::map<uint32_t, Unrestored> unrestored;
  };

  using Answers = std::vector<Answer>;

  // What has to be done once no lock is held.
  struct Effects {
    Answers answers;
    std::vector<ReplicaCall> calls;
    std::vector<CheckpointWork> works;
  };

  absl::StatusOr<std::shared_ptr<Held>> Find(const v1::PartitionKey& key) const
      ABSL_LOCKS_EXCLUDED(table_mutex_);
  absl::StatusOr<std::shared_ptr<Held>> FindReplica(const v1::ReplicaKey& key) const
      ABSL_LOCKS_EXCLUDED(table_mutex_);

  std::vector<std::shared_ptr<Held>> All() const ABSL_LOCKS_EXCLUDED(table_mutex_);

  // Runs `event(copy)` under the copy's lock and takes what it wants to send.
  template <typename Event>
  void With(absl::Time now, const std::shared_ptr<Held>& held, Effects* effects, Event event);
  // Finds the partition, runs `event(copy, &answers)` and does what comes of it.
  template <typename Event>
  void Dispatch(absl::Time now, const v1::PartitionKey& key, uint64_t call, Event event);

  // Each brings the table in line with a part of the directives; the caller does the effects.
  void DropOthers(absl::Time now, const v1::ServerSyncReply& reply, Effects* effects)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(directives_mutex_);
  void Follow(absl::Time now, const v1::ServerIdentity& self, const v1::JobDirective& directive,
              Effects* effects) ABSL_EXCLUSIVE_LOCKS_REQUIRED(directives_mutex_);
  struct Place;
  // The copy, not in the table yet.
  absl::StatusOr<std::shared_ptr<Held>> CreateCopy(const v1::JobDirective& directive,
                                                   const JobLayout& layout,
                                                   const v1::PartitionPlacement& placement,
                                                   const Place& place)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(directives_mutex_);
  void NoteComplaint(const std::string& job, uint32_t partition, const absl::Status& status)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(directives_mutex_);

  // The copy of CreateCopy out of the directive's checkpoint.
  absl::StatusOr<std::unique_ptr<PartitionCopy>> RestoreCopy(
      const v1::JobDirective& directive, const JobLayout& layout,
      const v1::PartitionPlacement& placement, const Place& place)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(directives_mutex_);
  absl::StatusOr<std::unique_ptr<PartitionCopy>> ReadCopy(const v1::JobDirective& directive,
                                                          const JobLayout& layout,
                                                          PartitionSpec spec, uint64_t replica,
                                                          uint64_t term);

  void Do(absl::Time now, Effects effects);

  const Options options_;
  const AnswerSink sink_;
  const ReplicaSink replica_sink_;

  // Lock order: directives_mutex_, table_mutex_, Held::mutex, routes_mutex_. The first makes
  // directives follow one another; the slow part of one (initial values, a
  // checkpoint's) then needs no other lock.
  absl::Mutex directives_mutex_;
  mutable absl::Mutex table_mutex_ ABSL_ACQUIRED_AFTER(directives_mutex_);

  std::map<std::string, Job> jobs_ ABSL_GUARDED_BY(table_mutex_);
  // The newest complaint by "job/partition", so that it is made once; and those to be made.
  std::map<std::string, std::string> complaints_ ABSL_GUARDED_BY(directives_mutex_);
  std::vector<std::string> unsaid_ ABSL_GUARDED_BY(directives_mutex_);
  // "job/partition/replica" of every copy that was ever here.
  std::set<std::string> ever_held_ ABSL_GUARDED_BY(directives_mutex_);

  // Whose each call under way to another server is.
  absl::Mutex routes_mutex_;
  std::map<uint64_t, std::weak_ptr<Held>> routes_ ABSL_GUARDED_BY(routes_mutex_);
  std::atomic<uint64_t> next_call_{1};

  std::atomic<bool> news_{false};
};

}  // namespace paceline

#endif  // PACELINE_SERVER_PARTITION_PARTITION_HOST_H_
