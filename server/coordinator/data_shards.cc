#include "server/coordinator/data_shards.h"

#include <algorithm>

#include "common/base/check.h"

namespace paceline {

AppliedMarks::AppliedMarks(const v1::PartitionReport& report) : below_(report.applied_below()) {
  for (const v1::ShardExtent& extent : report.applied()) {
    end_of_[extent.first()] = extent.first() + extent.count();
  }
}

bool AppliedMarks::Has(uint64_t ordinal) const {
  if (ordinal < below_) return true;
  const auto above = end_of_.upper_bound(ordinal);
  return above != end_of_.begin() && ordinal < std::prev(above)->second;
}

uint64_t AppliedMarks::end() const {
  return end_of_.empty() ? below_ : std::max(below_, end_of_.rbegin()->second);
}

DataShards::DataShards(WorkPlan plan, uint64_t granted_below)
    : plan_(plan), next_(std::min(granted_below, plan.size())), limit_(plan.size()) {}

void DataShards::SetLimit(uint64_t limit) {
  PACELINE_CHECK(next_ <= limit && limit <= plan_.size());
  limit_ = limit;
}

bool DataShards::IsDone(uint64_t run, const std::vector<AppliedMarks>& partitions) const {
  const uint64_t ordinal = plan_.At(run).first_ordinal;
  return std::all_of(partitions.begin(), partitions.end(),
                     [ordinal](const AppliedMarks& marks) { return marks.Has(ordinal); });
}

// Whoever holds the runs of an earlier coordinator's grants, or those that a checkpoint has heard
// of, is not known.
void DataShards::Orphan(const std::vector<AppliedMarks>& partitions) {
  if (plan_.size() == 0) return;
  const WorkPlan::Run last = plan_.At(plan_.size() - 1);
  const uint64_t first = plan_.At(0).first_ordinal;
  const auto runs_before = [&](uint64_t ordinal) {
    if (ordinal >= last.first_ordinal + last.count) return plan_.size();
    return ordinal <= first ? 0 : plan_.IndexOf(ordinal);
  };
  uint64_t below = partitions[0].below();
  for (const AppliedMarks& marks : partitions) {
    below = std::min(below, marks.below());
    const uint64_t end = marks.end();
    if (end > first) next_ = std::max(next_, std::min(limit_, runs_before(end - 1) + 1));
  }
  for (uint64_t run = runs_before(below); run < next_; ++run) orphans_.insert(run);
}

void DataShards::Update(const std::vector<AppliedMarks>& partitions) {
  PACELINE_CHECK(!partitions.empty());
  if (!updated_) {
    updated_ = true;
    Orphan(partitions);
  }
  for (auto it = orphans_.begin(); it != orphans_.end();) {
    it = IsDone(*it, partitions) ? orphans_.erase(it) : std::next(it);
  }
  for (auto it = held_.begin(); it != held_.end();) {
    if (!IsDone(it->first, partitions)) {
      ++it;
      continue;
    }
    const auto worker = by_worker_.find(it->second.worker);
    worker->second.erase(it->first);
    if (worker->second.empty()) by_worker_.erase(worker);
    it = held_.erase(it);
  }
}

std::vector<uint64_t> DataShards::Choose(const std::string& worker, size_t want,
                                         absl::Time held_before) const {
  std::vector<uint64_t> runs;
  if (!updated_) return runs;
  for (auto it = orphans_.begin(); it != orphans_.end() && runs.size() < want; ++it) {
    runs.push_back(*it);
  }
  for (uint64_t run = next_; run < limit_ && runs.size() < want; ++run) runs.push_back(run);
  if (!runs.empty()) return runs;
  for (const uint64_t run : HeldBy(worker)) {
    if (runs.size() < want && held_.at(run).since <= held_before) runs.push_back(run);
  }
  return runs;
}

void DataShards::Grant(const std::string& worker, const std::vector<uint64_t>& runs,
                       absl::Time now) {
  for (const uint64_t run : runs) {
    PACELINE_CHECK(run < limit_);
    orphans_.erase(run);
    held_[run] = {worker, now};
    by_worker_[worker].insert(run);
    next_ = std::max(next_, run + 1);
  }
}

void DataShards::Release(const std::string& worker) {
  const auto it = by_worker_.find(worker);
  if (it == by_worker_.end()) return;
  for (const uint64_t run : it->second) {
    held_.erase(run);
    orphans_.insert(run);
  }
  by_worker_.erase(it);
}

void DataShards::ReleaseAll() {
  for (const auto& [run, hold] : held_) orphans_.insert(run);
  held_.clear();
  by_worker_.clear();
}

bool DataShards::NoneLeft(const std::string& worker) const {
  return updated_ && orphans_.empty() && next_ >= limit_ && by_worker_.count(worker) == 0;
}

std::vector<uint64_t> DataShards::HeldBy(const std::string& worker) const {
  const auto it = by_worker_.find(worker);
  if (it == by_worker_.end()) return {};
  return {it->second.begin(), it->second.end()};
}

absl::Time DataShards::HeldSince(const std::string& worker) const {
  absl::Time since = absl::InfiniteFuture();
  for (const uint64_t run : HeldBy(worker)) since = std::min(since, held_.at(run).since);
  return since;
}

}  // namespace paceline
