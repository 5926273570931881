// What a partition counts, for reports.
//
// Threads  One thread at a time.
// Source   proto/control.proto, PartitionReport.
#ifndef PACELINE_SERVER_PARTITION_TALLY_H_
#define PACELINE_SERVER_PARTITION_TALLY_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "proto/control.pb.h"
#include "server/replica/log.h"

namespace paceline {

class Tally {
 public:
  // 0: bare parameters, which have no epochs.
  explicit Tally(uint64_t shards_per_epoch) : shards_per_epoch_(shards_per_epoch) {}

  // What a tally counted that filled in `report` by FillInEntries. InvalidArgument: it could not
  // have.
  static absl::StatusOr<Tally> Restore(uint64_t shards_per_epoch,
                                       const v1::PartitionReport& report);

  // An entry is committed.
  void Applied(const LogEntry& entry);

  // The rest is this copy's alone.
  void Duplicate() { ++duplicate_; }
  void Repeated(uint64_t shards) { repeated_ += shards; }
  void RefusedStale() { ++refused_stale_; }
  // Returns whether it is the first.
  bool Invalid(absl::string_view worker, absl::string_view message);
  void ReadAt(uint64_t lead);

  // What entries make, the same on every copy; and the rest.
  void FillInEntries(v1::PartitionReport* report) const;
  void FillInLocal(v1::PartitionReport* report) const;

 private:
  void AddToEpoch(const LogEntry& entry);

  uint64_t shards_per_epoch_;
  std::map<uint64_t, v1::EpochTally> epochs_;  // The newest few.
  uint64_t samples_ = 0;
  double loss_sum_ = 0;
  uint64_t correct_ = 0;
  std::vector<uint64_t> staleness_;
  uint64_t staleness_max_ = 0;
  uint64_t pushes_ = 0;
  uint64_t duplicate_ = 0;
  uint64_t repeated_ = 0;
  uint64_t refused_stale_ = 0;
  uint64_t damped_ = 0;
  uint64_t invalid_ = 0;
  uint64_t dropped_ = 0;
  uint64_t carried_ = 0;
  std::string last_invalid_;
  uint64_t lead_max_ = 0;
};

}  // namespace paceline

#endif  // PACELINE_SERVER_PARTITION_TALLY_H_
