#include "server/partition/dedupe.h"

#include <algorithm>
#include <iterator>
#include <limits>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"

namespace paceline {
namespace {

void Raise(uint64_t clock, absl::optional<uint64_t>* to) {
  if (!to->has_value() || **to < clock) *to = clock;
}

}  // namespace

ShardSet::Overlap ShardSet::Classify(ShardExtent extent) const {
  const uint64_t end = extent.first + extent.count;
  if (extent.count == 0 || end <= below_) return Overlap::kAll;
  // Extents never touch the mark, so what crosses it is not all there.
  if (extent.first < below_) return Overlap::kSome;
  const auto next = ends_.upper_bound(extent.first);
  if (next != ends_.begin()) {
    const uint64_t covered_to = std::prev(next)->second;
    if (end <= covered_to) return Overlap::kAll;
    if (extent.first < covered_to) return Overlap::kSome;
  }
  return next != ends_.end() && next->first < end ? Overlap::kSome : Overlap::kNone;
}

absl::StatusOr<ShardSet> ShardSet::Restore(
    uint64_t below, const google::protobuf::RepeatedPtrField<v1::ShardExtent>& extents) {
  ShardSet set;
  set.below_ = below;
  uint64_t end = below;
  for (const v1::ShardExtent& extent : extents) {
    const bool fits = extent.count() <= std::numeric_limits<uint64_t>::max() - extent.first();
    if (extent.count() == 0 || extent.first() <= end || !fits) {
      return absl::InvalidArgumentError(absl::StrCat(
          extent.count(), " data shards from ", extent.first(), " on; wanted some above ", end));
    }
    end = extent.first() + extent.count();
    set.ends_.emplace(extent.first(), end);
  }
  return set;
}

void ShardSet::Add(ShardExtent extent) {
  uint64_t first = extent.first;
  uint64_t end = extent.first + extent.count;
  if (extent.count == 0 || end <= below_) return;
  // Takes in every extent that overlaps or touches the new one.
  auto it = ends_.upper_bound(first);
  if (it != ends_.begin() && std::prev(it)->second >= first) --it;
  while (it != ends_.end() && it->first <= end) {
    first = std::min(first, it->first);
    end = std::max(end, it->second);
    it = ends_.erase(it);
  }
  if (first <= below_) {
    below_ = end;
  } else {
    ends_.emplace(first, end);
  }
}

std::vector<ShardExtent> ShardSet::extents() const {
  std::vector<ShardExtent> out;
  for (const auto& [first, end] : ends_) out.push_back({first, end - first});
  return out;
}

absl::StatusOr<Dedupe> Dedupe::Restore(const v1::PartitionState& state) {
  Dedupe dedupe;
  ASSIGN_OR_RETURN(dedupe.applied_, ShardSet::Restore(state.applied_below(), state.applied()));
  dedupe.appended_ = dedupe.applied_;
  if (static_cast<size_t>(state.workers_size()) > kWorkersMax) {
    return absl::InvalidArgumentError(
        absl::StrCat(state.workers_size(), " workers; at most ", kWorkersMax, " can be known"));
  }
  for (const v1::WorkerClock& worker : state.workers()) {
    Worker known{worker.worker().incarnation(), {}, {}};
    if (worker.has_clock()) known.appended_clock = known.applied_clock = worker.clock();
    dedupe.workers_[worker.worker().id()] = known;
  }
  return dedupe;
}

void Dedupe::EncodeAppended(v1::PartitionState* state) const {
  state->set_applied_below(appended_.below());
  for (const ShardExtent& extent : appended_.extents()) {
    v1::ShardExtent* const added = state->add_applied();
    added->set_first(extent.first);
    added->set_count(extent.count);
  }
  for (const auto& [id, known] : workers_) {
    v1::WorkerClock* const worker = state->add_workers();
    worker->mutable_worker()->set_id(id);
    worker->mutable_worker()->set_incarnation(known.incarnation);
    if (known.appended_clock.has_value()) worker->set_clock(*known.appended_clock);
  }
}

absl::Status Dedupe::CheckIncarnation(absl::string_view worker, uint64_t incarnation) const {
  const auto it = workers_.find(std::string(worker));
  if (it == workers_.end() || incarnation >= it->second.incarnation) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("worker ", worker, " speaks as incarnation ", incarnation, "; incarnation ",
                   it->second.incarnation, " is known: register anew"));
}

absl::Status Dedupe::Meet(absl::string_view worker, uint64_t incarnation) {
  const auto it = workers_.find(std::string(worker));
  if (it != workers_.end()) {
    if (incarnation > it->second.incarnation) it->second = Worker{incarnation, {}, {}};
    return absl::OkStatus();
  }
  if (workers_.size() >= kWorkersMax) {
    return absl::ResourceExhaustedError(
        absl::StrCat("worker ", worker, " is new, and ", kWorkersMax, " workers are known here"));
  }
  workers_.emplace(std::string(worker), Worker{incarnation, {}, {}});
  return absl::OkStatus();
}

Seen Dedupe::ClassifyShards(absl::Span<const ShardExtent> shards) const {
  bool any_new = false;
  bool any_appended = false;
  bool all_applied = true;
  for (const ShardExtent& extent : shards) {
    const ShardSet::Overlap overlap = appended_.Classify(extent);
    if (overlap == ShardSet::Overlap::kSome) return Seen::kMixed;
    (overlap == ShardSet::Overlap::kNone ? any_new : any_appended) = true;
    if (applied_.Classify(extent) != ShardSet::Overlap::kAll) all_applied = false;
  }
  if (any_new) return any_appended ? Seen::kMixed : Seen::kNew;
  return all_applied ? Seen::kApplied : Seen::kAppended;
}

Seen Dedupe::ClassifyClock(absl::string_view worker, uint64_t incarnation, uint64_t clock) const {
  const auto it = workers_.find(std::string(worker));
  if (it == workers_.end() || it->second.incarnation != incarnation) return Seen::kNew;
  const Worker& known = it->second;
  if (known.applied_clock.has_value() && clock <= *known.applied_clock) return Seen::kApplied;
  if (known.appended_clock.has_value() && clock <= *known.appended_clock) return Seen::kAppended;
  return Seen::kNew;
}

Dedupe::Worker* Dedupe::Find(absl::string_view worker, uint64_t incarnation) {
  const auto it = workers_.find(std::string(worker));
  if (it == workers_.end() || it->second.incarnation != incarnation) return nullptr;
  return &it->second;
}

void Dedupe::Appended(const LogEntry& entry) {
  for (const ShardExtent& extent : entry.shards) appended_.Add(extent);
  if (entry.kind != LogEntry::Kind::kPush) return;
  Worker* const worker = Find(entry.worker, entry.incarnation);
  if (worker != nullptr) Raise(entry.clock, &worker->appended_clock);
}

void Dedupe::Applied(const LogEntry& entry) {
  for (const ShardExtent& extent : entry.shards) applied_.Add(extent);
  if (entry.kind != LogEntry::Kind::kPush) return;
  Worker* const worker = Find(entry.worker, entry.incarnation);
  if (worker != nullptr) Raise(entry.clock, &worker->applied_clock);
}

void Dedupe::Acknowledged(absl::string_view worker, uint64_t incarnation, uint64_t clock) {
  Worker* const known = Find(worker, incarnation);
  if (known == nullptr) return;
  Raise(clock, &known->appended_clock);
  Raise(clock, &known->applied_clock);
}

absl::optional<uint64_t> Dedupe::Clock(absl::string_view worker, uint64_t incarnation) const {
  const auto it = workers_.find(std::string(worker));
  if (it == workers_.end() || it->second.incarnation != incarnation) return absl::nullopt;
  return it->second.applied_clock;
}

}  // namespace paceline
