#include "server/partition/tally.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace paceline {
namespace {

// Runs end out of order, but not by an epoch.
constexpr size_t kEpochsKept = 4;

// 0 for 0, b for [2^(b-1), 2^b).
size_t Bucket(uint64_t staleness) {
  size_t bucket = 0;
  for (; staleness > 0; staleness >>= 1) ++bucket;
  return bucket;
}

uint64_t CountShards(const std::vector<ShardExtent>& extents) {
  uint64_t count = 0;
  for (const ShardExtent& extent : extents) count += extent.count;
  return count;
}

}  // namespace

absl::StatusOr<Tally> Tally::Restore(uint64_t shards_per_epoch, const v1::PartitionReport& report) {
  if (static_cast<size_t>(report.staleness_size()) > Bucket(~uint64_t{0}) + 1 ||
      static_cast<size_t>(report.epochs_size()) > kEpochsKept) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a tally of ", report.staleness_size(), " buckets of staleness and ", report.epochs_size(),
        " epochs; at most ", Bucket(~uint64_t{0}) + 1, " and ", kEpochsKept, " can be"));
  }
  Tally tally(shards_per_epoch);
  tally.samples_ = report.samples();
  tally.loss_sum_ = report.loss_sum();
  tally.correct_ = report.correct();
  tally.staleness_.assign(report.staleness().begin(), report.staleness().end());
  tally.staleness_max_ = report.staleness_max();
  tally.pushes_ = report.pushes_applied();
  tally.damped_ = report.pushes_damped();
  tally.dropped_ = report.shards_dropped();
  tally.carried_ = report.shards_carried();
  for (const v1::EpochTally& epoch : report.epochs()) tally.epochs_[epoch.epoch()] = epoch;
  return tally;
}

void Tally::Applied(const LogEntry& entry) {
  pushes_ += entry.pushes;
  if (entry.damped) ++damped_;
  const size_t bucket = Bucket(entry.staleness);
  if (staleness_.size() <= bucket) staleness_.resize(bucket + 1);
  staleness_[bucket] += entry.pushes;
  staleness_max_ = std::max(staleness_max_, entry.staleness);
  samples_ += entry.samples;
  loss_sum_ += entry.loss_sum;
  correct_ += entry.correct;
  dropped_ += CountShards(entry.dropped);
  carried_ += CountShards(entry.carried);
  if (shards_per_epoch_ > 0 && !entry.shards.empty()) AddToEpoch(entry);
}

// A run does not straddle an epoch's end, so an entry belongs to one epoch.
void Tally::AddToEpoch(const LogEntry& entry) {
  const uint64_t number = entry.shards.front().first / shards_per_epoch_;
  v1::EpochTally& epoch = epochs_[number];
  epoch.set_epoch(number);
  epoch.set_samples(epoch.samples() + entry.samples);
  epoch.set_loss_sum(epoch.loss_sum() + entry.loss_sum);
  epoch.set_correct(epoch.correct() + entry.correct);
  while (epochs_.size() > kEpochsKept) epochs_.erase(epochs_.begin());
}

bool Tally::Invalid(absl::string_view worker, absl::string_view message) {
  last_invalid_ = worker.empty() ? std::string(message) : absl::StrCat(worker, ": ", message);
  return ++invalid_ == 1;
}

void Tally::ReadAt(uint64_t lead) { lead_max_ = std::max(lead_max_, lead); }

void Tally::FillInEntries(v1::PartitionReport* report) const {
  report->set_samples(samples_);
  report->set_loss_sum(loss_sum_);
  report->set_correct(correct_);
  for (const uint64_t count : staleness_) report->add_staleness(count);
  report->set_staleness_max(staleness_max_);
  report->set_pushes_applied(pushes_);
  report->set_pushes_damped(damped_);
  report->set_shards_dropped(dropped_);
  report->set_shards_carried(carried_);
  for (const auto& [number, epoch] : epochs_) *report->add_epochs() = epoch;
}

void Tally::FillInLocal(v1::PartitionReport* report) const {
  report->set_pushes_duplicate(duplicate_);
  report->set_shards_repeated(repeated_);
  report->set_pushes_refused_stale(refused_stale_);
  report->set_pushes_invalid(invalid_);
  report->set_last_invalid(last_invalid_);
  report->set_lead_max(lead_max_);
}

}  // namespace paceline
