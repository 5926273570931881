#include "server/coordinator/progress.h"

#include <algorithm>

#include "common/base/check.h"

namespace paceline {
namespace {

constexpr absl::Duration kWindow = absl::Seconds(1);

// What speaks of the copy that reports rather than of what is committed.
void TakeState(const v1::PartitionReport& report, v1::PartitionReport* known) {
  known->set_term(report.term());
  known->set_replica(report.replica());
  known->set_config(report.config());
  known->set_last_index(report.last_index());
  known->set_committed_index(report.committed_index());
  known->set_pushes_invalid(report.pushes_invalid());
  known->set_last_invalid(report.last_invalid());
  *known->mutable_waits() = report.waits();
  *known->mutable_backups() = report.backups();
}

double Ratio(double part, double whole) { return whole > 0 ? part / whole : 0; }

}  // namespace

Progress::Progress(size_t partitions)
    : reports_(partitions),
      marks_(partitions),
      newest_version_(partitions, 0),
      is_heard_(partitions, false) {}

void Progress::Begin(absl::Time now) {
  PACELINE_CHECK(recent_.empty());
  moved_ = now;
  recent_.push_back({now});
}

void Progress::Report(absl::Time now, const v1::PartitionReport& report) {
  const uint32_t partition = report.partition();
  PACELINE_CHECK(partition < reports_.size());
  const v1::PartitionReport& known = reports_[partition];
  if (is_heard_[partition] && report.version() < known.version()) {
    const bool is_newer = report.term() > known.term() ||
                          (report.term() == known.term() &&
                           report.version() >= newest_version_[partition]);
    if (!is_newer) return;
    newest_version_[partition] = report.version();
    return TakeState(report, &reports_[partition]);
  }
  newest_version_[partition] = report.version();
  if (partition == 0) Follow(now, report);
  if (!is_heard_[partition]) ++heard_;
  is_heard_[partition] = true;
  reports_[partition] = report;
  marks_[partition] = AppliedMarks(report);
}

void Progress::Follow(absl::Time now, const v1::PartitionReport& report) {
  const Sums sums{now, static_cast<double>(report.samples()), report.loss_sum(),
                  static_cast<double>(report.correct())};
  if (recent_.empty()) {
    moved_ = now;
    recent_.push_back(sums);
    return;
  }
  if (report.version() == reports_[0].version() && sums.samples == recent_.back().samples) return;
  moved_ = now;
  recent_.push_back(sums);
  while (recent_.size() > 2 && recent_[1].time <= now - kWindow) recent_.pop_front();
}

uint64_t Progress::Version() const {
  if (!Complete()) return 0;
  uint64_t least = reports_[0].version();
  for (const v1::PartitionReport& r : reports_) least = std::min(least, r.version());
  return least;
}

uint64_t Progress::AppliedBelow() const {
  if (!Complete()) return 0;
  uint64_t least = reports_[0].applied_below();
  for (const v1::PartitionReport& r : reports_) least = std::min(least, r.applied_below());
  return least;
}

uint64_t Progress::Samples() const {
  if (!Complete()) return 0;
  uint64_t least = reports_[0].samples();
  for (const v1::PartitionReport& r : reports_) least = std::min(least, r.samples());
  return least;
}

bool Progress::VersionsEqual() const {
  return std::all_of(reports_.begin(), reports_.end(), [this](const v1::PartitionReport& r) {
    return r.version() == reports_[0].version();
  });
}

double Progress::RecentLoss() const {
  if (recent_.empty()) return 0;
  const Sums& to = recent_.back();
  if (recent_.size() == 1) return Ratio(to.loss, to.samples);
  return Ratio(to.loss - recent_.front().loss, to.samples - recent_.front().samples);
}

double Progress::SamplesPerSecond(absl::Time now) const {
  if (recent_.size() < 2) return 0;
  // Once reports stop bringing more, time that passes counts.
  const absl::Time until = std::max(recent_.back().time, now - kWindow);
  const double seconds = absl::ToDoubleSeconds(until - recent_.front().time);
  return Ratio(recent_.back().samples - recent_.front().samples, seconds);
}

const v1::EpochTally* Progress::NewestEpoch() const {
  if (reports_.empty() || reports_[0].epochs().empty()) return nullptr;
  return &*reports_[0].epochs().rbegin();
}

double Progress::EpochLoss() const {
  const v1::EpochTally* epoch = NewestEpoch();
  return epoch == nullptr ? 0 : Ratio(epoch->loss_sum(), static_cast<double>(epoch->samples()));
}

double Progress::EpochAccuracy() const {
  const v1::EpochTally* epoch = NewestEpoch();
  if (epoch == nullptr) return 0;
  return Ratio(static_cast<double>(epoch->correct()), static_cast<double>(epoch->samples()));
}

}  // namespace paceline
