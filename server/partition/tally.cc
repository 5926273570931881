#include "server/partition/tally.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace paceline {
namespace {

// 0 for 0, b for [2^(b-1), 2^b).
size_t Bucket(uint64_t staleness) {
  size_t bucket = 0;
  for (; staleness > 0; staleness >>= 1) ++bucket;
  return bucket;
}

}  // namespace

void Tally::Taken(uint64_t staleness) {
  ++taken_;
  const size_t bucket = Bucket(staleness);
  if (staleness_.size() <= bucket) staleness_.resize(bucket + 1);
  ++staleness_[bucket];
  staleness_max_ = std::max(staleness_max_, staleness);
}

void Tally::Applied(const LogEntry& entry) {
  samples_ += entry.samples;
  loss_sum_ += entry.loss_sum;
  correct_ += entry.correct;
}

bool Tally::Invalid(absl::string_view worker, absl::string_view message) {
  last_invalid_ = worker.empty() ? std::string(message) : absl::StrCat(worker, ": ", message);
  return ++invalid_ == 1;
}

void Tally::ReadAt(uint64_t lead) { lead_max_ = std::max(lead_max_, lead); }

void Tally::FillIn(v1::PartitionReport* report) const {
  report->set_samples(samples_);
  report->set_loss_sum(loss_sum_);
  report->set_correct(correct_);
  for (const uint64_t count : staleness_) report->add_staleness(count);
  report->set_staleness_max(staleness_max_);
  report->set_pushes_applied(taken_);
  report->set_pushes_duplicate(duplicate_);
  report->set_pushes_refused_stale(refused_stale_);
  report->set_pushes_damped(damped_);
  report->set_pushes_invalid(invalid_);
  report->set_last_invalid(last_invalid_);
  report->set_lead_max(lead_max_);
}

}  // namespace paceline
