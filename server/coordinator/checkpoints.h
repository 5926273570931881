// Checkpoints of a job: when one is taken, what becomes of an order, which one a job goes back to.
//
// Errors   Of requests: InvalidArgument, naming the field, what was seen and what was wanted.
// Threads  Pure functions; CheckpointRun: one object, one thread.
// Source   docs/protocol.md, "Checkpoints".
#ifndef PACELINE_SERVER_COORDINATOR_CHECKPOINTS_H_
#define PACELINE_SERVER_COORDINATOR_CHECKPOINTS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "proto/control.pb.h"
#include "server/coordinator/state.pb.h"

namespace paceline {

// Of one job: in its record, and in JobStatus.
inline constexpr int kCheckpointsKept = 16;

// An order that brings no news for so long has failed.
inline constexpr absl::Duration kCheckpointSilence = absl::Minutes(1);

// A directory that every server reaches under this name: absolute, at most 4096 bytes. `field` is
// for the error.
absl::Status CheckCheckpointPath(absl::string_view field, absl::string_view path);

// What a submitter says of the checkpoint that the job begins from. `is_bare`: the job has bare
// parameters, hence no facts.
absl::Status CheckStart(const v1::StartingPoint& start, bool is_bare);

// "checkpoint 3", and whose it is if not the job's own.
std::string NameOf(const state::CheckpointRecord& checkpoint);

// The order under way; null: none.
const state::CheckpointRecord* UnderWay(const state::JobRecord& record);
state::CheckpointRecord* UnderWay(state::JobRecord* record);

// The one that the job would go back to: the newest whole one; null: none.
const state::CheckpointRecord* NewestWhole(const state::JobRecord& record);

// Whether a checkpoint is to be taken, because the spec says so, of a running job that has come to
// `version` and that has no order under way. Not without something new since the newest whole one;
// after n failures in a row not before 5 s * 2^(n-1), at most 5 minutes, have gone by.
bool IsCheckpointDue(const state::JobRecord& record, uint64_t version, absl::Time now);

// Writes an order for the checkpoint after the newest into the record, and returns it.
state::CheckpointRecord* AddOrder(const std::string& path, absl::Time now,
                                  state::JobRecord* record);

// Where checkpoints go that are wanted in `path`.
std::string PlaceFor(const std::string& path, const state::JobRecord& record);

// The folder of the job's name in `path` is another job's: PlaceFor(path) is below it from now on.
// False: it is so already.
bool MovePlace(const std::string& path, state::JobRecord* record);

// Takes the order under way out of the record, as if it had never been given.
void ForgetOrder(state::JobRecord* record);

// Whether one is known to be whole in the folder of the job's name in `path`: its own, or what it
// began from.
bool HasWholeIn(const std::string& path, const state::JobRecord& record);

// Checkpoints of the job in `path` that another of `jobs` begins from which has none of its own yet.
std::set<uint64_t> PinnedBy(const std::map<uint64_t, state::JobRecord>& jobs,
                            const std::string& path, const std::string& job);

// Ends the order under way. Of its path only the newest `keep` that are whole stay known; of all at
// most kCheckpointsKept, the failed ones being forgotten first.
void EndOrder(const v1::CheckpointStatus& outcome, uint32_t keep, state::JobRecord* record);

// Marks the checkpoint that the job was to go back to as one that cannot be used.
void MarkUnusable(const std::string& why, state::JobRecord* record);

// Puts the job back to where `checkpoint`, one of its record's, was taken: a new segment, and no
// copies until they are placed. A change of mode that waits stays if it is of that very segment.
void GoBack(const state::CheckpointRecord& checkpoint, const std::string& why,
            state::JobRecord* record);

// One order's way, from the reports of the partitions' primaries.
class CheckpointRun {
 public:
  // `order` is that of a job with these placements.
  CheckpointRun(const state::CheckpointRecord& order, const state::JobRecord& record,
                absl::Time now);

  // What the primary of `partition` says. A report of another order says nothing.
  void Take(absl::Time now, uint32_t partition, const v1::CheckpointReport& report);

  // The job has come further, so that an exact version may still be reached.
  void Moved(absl::Time when);

  // Why it has failed, in a sentence; empty: it has not.
  std::string Failure(absl::Time now, const state::JobRecord& record) const;

  // Its folder is another job's.
  bool taken() const { return taken_; }

  // Every partition has been written. Their parts, in partition order.
  bool AllWritten() const { return written_ == parts_.size(); }
  const std::vector<std::string>& parts() const { return parts_; }

  // The manifest is written, by the primary of partition 0.
  bool committed() const { return committed_; }

  // The outcome, if it is whole.
  v1::CheckpointStatus Whole(absl::Time now) const;

  // The outcome, if it is given up.
  v1::CheckpointStatus Failed(absl::Time now, const std::string& why) const;

 private:
  v1::CheckpointStatus Outcome(absl::Time now) const;

  const state::CheckpointRecord order_;
  std::vector<uint64_t> terms_;
  std::vector<std::string> parts_;  // Empty: not written.
  size_t written_ = 0;
  uint64_t version_ = 0;  // The least.
  uint64_t bytes_ = 0;
  bool committed_ = false;
  bool taken_ = false;
  std::string error_;
  absl::Time heard_;
};

}  // namespace paceline

#endif  // PACELINE_SERVER_COORDINATOR_CHECKPOINTS_H_
