// All partitions of one server: finds the one a call is for and lets it answer.
//
// Shapes   A push's gradients are [pieces * elements] float32, piece after piece.
// Units    `call` is the transport's number for one request, unique among those not yet answered.
// Errors   Every call gets exactly one Answer, from inside the event that decides it, unless it is
//          cancelled first. A job or partition that is not held here is FAILED_PRECONDITION: a
//          directive may be on its way. Calls of a job that was cancelled or has failed are
//          CANCELLED. The other codes: proto/parameter.proto.
// Threads  Safe. Calls for different partitions run in parallel. No lock is held while the sink or
//          the complaint hook runs; both may be called from any thread that calls in.
// Source   docs/protocol.md.
#ifndef PACELINE_SERVER_PARTITION_PARTITION_HOST_H_
#define PACELINE_SERVER_PARTITION_PARTITION_HOST_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
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
#include "server/partition/answer.h"
#include "server/replica/log.h"

namespace paceline {

struct JobLayout;

class PartitionHost {
 public:
  using AnswerSink = std::function<void(Answer)>;

  struct Options {
    // Entries that each partition's log keeps.
    LocalLog::Limits log;
    // Hears, once, of each directive that cannot be followed, in a sentence; may be null.
    std::function<void(absl::string_view)> complain;
  };

  PartitionHost(Options options, AnswerSink sink);
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

  // Follows the directives of a reply that has `changed` set: creates partitions placed on
  // reply.server() (id and incarnation), brings the held ones along, drops what is not named.
  void OnDirectives(absl::Time now, const v1::ServerSyncReply& reply);

  // One for each partition held, in (job, partition) order.
  std::vector<v1::PartitionReport> Report(absl::Time now) const;

  // Whether something has happened since the last call that the coordinator should hear before the
  // next interval: all granted or all rounds applied, all data shards applied, the first invalid
  // push of a partition.
  bool TakeNews();

 private:
  // One partition under its own lock.
  struct Held;

  struct Job {
    // Not OK: why all its calls end.
    absl::Status ended;
    std::map<uint32_t, std::shared_ptr<Held>> partitions;
  };

  using Answers = std::vector<Answer>;

  absl::StatusOr<std::shared_ptr<Held>> Find(const v1::PartitionKey& key) const
      ABSL_LOCKS_EXCLUDED(table_mutex_);

  std::vector<std::shared_ptr<Held>> All() const ABSL_LOCKS_EXCLUDED(table_mutex_);

  // Runs `event(partition)` under the partition's lock.
  template <typename Event>
  void With(Held* held, Event event);
  // Finds the partition, runs `event(partition, &answers)` and hands the answers on.
  template <typename Event>
  void Dispatch(const v1::PartitionKey& key, uint64_t call, Event event);

  // Each brings the table in line with a part of the directives; the caller sends the answers.
  void DropOthers(const v1::ServerSyncReply& reply, Answers* answers)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(directives_mutex_);
  void Follow(const v1::ServerIdentity& self, const v1::JobDirective& directive, Answers* answers)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(directives_mutex_);
  absl::Status CreatePartition(const v1::JobDirective& directive, const JobLayout& layout,
                               const v1::PartitionPlacement& placement)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(directives_mutex_);
  void NoteComplaint(const std::string& job, uint32_t partition, const absl::Status& status)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(directives_mutex_);

  void Send(Answers answers);

  const Options options_;
  const AnswerSink sink_;

  // Lock order: directives_mutex_, table_mutex_, Held::mutex. The first makes directives follow one
  // another; the slow part of one (initial values) then needs no other lock.
  absl::Mutex directives_mutex_;
  mutable absl::Mutex table_mutex_ ABSL_ACQUIRED_AFTER(directives_mutex_);

  std::map<std::string, Job> jobs_ ABSL_GUARDED_BY(table_mutex_);
  // The newest complaint by "job/partition", so that it is made once; and those to be made.
  std::map<std::string, std::string> complaints_ ABSL_GUARDED_BY(directives_mutex_);
  std::vector<std::string> unsaid_ ABSL_GUARDED_BY(directives_mutex_);

  std::atomic<bool> news_{false};
};

}  // namespace paceline

#endif  // PACELINE_SERVER_PARTITION_PARTITION_HOST_H_
