// A partition with everything around it that a test needs: messages, answers, a log that commits
// when it is told to.
//
// Threads  One thread.
#ifndef PACELINE_SERVER_PARTITION_PARTITION_TESTING_H_
#define PACELINE_SERVER_PARTITION_PARTITION_TESTING_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "proto/control.pb.h"
#include "proto/job.pb.h"
#include "proto/parameter.pb.h"
#include "server/partition/answer.h"
#include "server/partition/partition.h"
#include "server/partition/partition_spec.h"
#include "server/replica/log.h"

namespace paceline {

v1::ConsistencySpec SyncSpec();
// Drops; or carries with that weight.
v1::ConsistencySpec QuorumSpec(uint32_t workers, double grace, double carry_weight = 0);
v1::ConsistencySpec SspSpec(uint32_t staleness);
v1::ConsistencySpec AsyncSpec(absl::optional<uint64_t> max_staleness = {},
                              v1::AsyncMode::OnStale on_stale = v1::AsyncMode::REFUSE);

// sgd, every field set.
v1::OptimizerSpec SgdWith(float learning_rate);

// Members w1, w2, ... with incarnation 1.
v1::Roster RosterOf(uint32_t members, uint64_t version = 1);
v1::WorkerIdentity WorkerOf(const std::string& id, uint64_t incarnation = 1);

// A running job with bare parameters in two partitions, both placed on server s1, incarnation 1.
v1::JobDirective BareJob(const std::string& name);
// For a call about one of its partitions.
v1::PartitionKey KeyOf(const std::string& job, uint32_t partition, uint64_t term = 1);

struct RigOptions {
  WorkShape work;  // Bare parameters by default.
  v1::ConsistencySpec consistency = AsyncSpec();
  v1::OptimizerSpec optimizer = SgdWith(1);
  std::vector<uint64_t> segment_elements = {2};
  v1::Roster roster = RosterOf(2);
  bool commits_at_once = true;
  uint64_t ahead = 0;  // acks: leader, if not 0: entries acknowledged with none committed.
};

class PartitionRig {
 public:
  explicit PartitionRig(const RigOptions& options);

  PartitionPrimary& partition() { return *partition_; }
  v1::JobDirective& directive() { return directive_; }  // What Direct() sends.
  v1::PartitionKey key() const;

  // A header with no pieces: base_version is `clock` in rounds, else the newest version.
  v1::PushHeader Header(const std::string& worker, uint64_t clock) const;
  // A header with one piece of weight `weight`.
  v1::PushHeader Header(const std::string& worker, uint64_t clock, uint64_t first_shard,
                        uint32_t shards, double weight = 1) const;

  // Each returns the call's number.
  uint64_t Push(const v1::PushHeader& header, const std::vector<float>& gradients);
  uint64_t Exchange(const v1::PushHeader& header, const std::vector<float>& gradients);
  uint64_t Pull(absl::optional<uint64_t> exact_version = {}, uint64_t clock = 0,
                bool offers_help = false);
  uint64_t Settle(uint64_t clock, double total_square_norm);
  void Cancel(uint64_t call) { partition_->OnCancel(call); }
  absl::Status Direct(uint64_t term = 1);
  // Later by so much.
  void Tick(absl::Duration passed);

  // The log's held entries are committed.
  void CommitAll();
  const std::vector<LogEntry>& log() const { return *entries_; }

  // Null while the call is parked. Every call is answered at most once.
  const Answer* Find(uint64_t call) const;
  bool IsParked(uint64_t call) const { return Find(call) == nullptr; }
  absl::Status StatusOf(uint64_t call) const;
  std::vector<float> ParametersOf(uint64_t call) const;

  // The newest parameters, and the report.
  std::vector<float> Newest();
  v1::PartitionReport Report() const { return partition_->Report(now_); }

  absl::Time now_ = absl::UnixEpoch();

 private:
  uint64_t DoPush(const v1::PushHeader& header, const std::vector<float>& gradients,
                  bool want_parameters);
  void Take(PartitionPrimary::Answers answers);

  v1::JobDirective directive_;
  std::shared_ptr<std::vector<LogEntry>> entries_;
  std::shared_ptr<uint64_t> committed_;  // Of entries_.
  std::unique_ptr<PartitionPrimary> partition_;
  std::map<uint64_t, Answer> answers_;
  uint64_t next_call_ = 1;
};

}  // namespace paceline

#endif  // PACELINE_SERVER_PARTITION_PARTITION_TESTING_H_
