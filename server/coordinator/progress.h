// How far a job's partitions have come, from their reports.
//
// Units    Loss and counts as in v1::PartitionReport. Rates per second of coordinator time.
// Errors   What is committed stays so: a report of a lower version than another's changes no
//          progress. Of the same term it was overtaken; of a newer term it is a new primary's that
//          has not committed all it holds yet.
// Threads  One object, one thread.
#ifndef PACELINE_SERVER_COORDINATOR_PROGRESS_H_
#define PACELINE_SERVER_COORDINATOR_PROGRESS_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

#include "absl/time/time.h"
#include "proto/control.pb.h"
#include "server/coordinator/data_shards.h"

namespace paceline {

class Progress {
 public:
  explicit Progress(size_t partitions);

  // The job starts now: all sums are 0. Without it they are those of the first report, and means
  // leave out what was before.
  void Begin(absl::Time now);

  // Takes in a report of a partition of the job by its primary of the present term.
  void Report(absl::Time now, const v1::PartitionReport& report);

  // Every partition has reported.
  bool Complete() const { return heard_ == reports_.size() && heard_ > 0; }

  // The least of all partitions' values; 0 until Complete.
  uint64_t Version() const;
  uint64_t AppliedBelow() const;
  uint64_t Samples() const;

  // Whether every partition has the same version.
  bool VersionsEqual() const;

  // In partition order; those never heard are empty. Progress is the furthest ever reported; term,
  // config, waits, backups and log are the newest term's.
  const std::vector<v1::PartitionReport>& reports() const { return reports_; }
  const std::vector<AppliedMarks>& marks() const { return marks_; }

  // When the first partition last came further; InfinitePast: never heard.
  absl::Time moved() const { return moved_; }

  // Over the samples of about the last second in which there were any.
  double RecentLoss() const;
  double SamplesPerSecond(absl::Time now) const;

  // Over what the first partition has applied of the newest epoch; 0 before there is any.
  double EpochLoss() const;
  double EpochAccuracy() const;

 private:
  struct Sums {
    absl::Time time;
    double samples = 0;
    double loss = 0;
    double correct = 0;
  };

  void Follow(absl::Time now, const v1::PartitionReport& report);
  const v1::EpochTally* NewestEpoch() const;

  std::vector<v1::PartitionReport> reports_;
  std::vector<AppliedMarks> marks_;
  std::vector<uint64_t> newest_version_;  // Of the newest report of the newest term.
  std::vector<bool> is_heard_;
  size_t heard_ = 0;
  absl::Time moved_ = absl::InfinitePast();
  std::deque<Sums> recent_;  // Of the first partition; the last element is the newest.
};

}  // namespace paceline

#endif  // PACELINE_SERVER_COORDINATOR_PROGRESS_H_
