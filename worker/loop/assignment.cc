#include "worker/loop/assignment.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/job/job_work.h"

namespace paceline {

Assignment::Assignment(v1::WorkerIdentity worker) : worker_(std::move(worker)) {}

bool Assignment::Update(const v1::JobDirective& directive, bool is_placed) {
  const Target before = target_;
  const uint32_t segment_before = directive_.segment().index();
  v1::Roster roster_before = std::move(*directive_.mutable_roster());
  directive_ = directive;
  if (directive.roster().version() < roster_before.version()) {
    *directive_.mutable_roster() = std::move(roster_before);
  }
  FindSelf();
  target_ = FindTarget(is_placed);
  return target_ != before || target_ == Target::kNothing ||
         directive_.segment().index() != segment_before;
}

void Assignment::FindSelf() {
  rank_ = workers();
  start_clock_ = 0;
  for (uint32_t i = 0; i < workers(); ++i) {
    const v1::RosterMember& member = directive_.roster().members(static_cast<int>(i));
    if (member.worker().id() != worker_.id()) continue;
    if (member.worker().incarnation() != worker_.incarnation()) continue;
    rank_ = i;
    start_clock_ = member.start_clock();
  }
}

Target Assignment::FindTarget(bool is_placed) const {
  if (!is_placed) return Target::kNothing;
  if (directive_.state() == v1::RUNNING && rank_ < workers()) return Target::kTrain;
  if (directive_.state() == v1::EVALUATING && directive_.evaluate()) return Target::kEvaluate;
  return Target::kNothing;
}

uint64_t Assignment::shards_per_epoch() const {
  return ShardsPerEpoch(directive_.spec(), directive_.facts());
}

bool Assignment::speculates() const {
  return directive_.segment().consistency().sync().speculate() &&
         directive_.spec().merge().rule() == v1::MergeSpec::SAMPLES && workers() > 1;
}

absl::StatusOr<WorkPlan> Assignment::Plan() const {
  const v1::JobSpec& spec = directive_.spec();
  const uint64_t samples = directive_.facts().train_samples();
  const uint64_t shard_samples = spec.data().shard_samples();
  const uint64_t run_length = RunLength(spec, directive_.segment().consistency());
  if (samples == 0 || shard_samples == 0 || run_length == 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "job ", directive_.job(), ": ", samples, " training samples in data shards of ",
        shard_samples, " in runs of ", run_length, "; each must be at least 1"));
  }
  const uint64_t total = shards_per_epoch() * spec.train().epochs();
  const uint64_t first = directive_.segment().first_shard();
  if (first > total) {
    return absl::InvalidArgumentError(absl::StrCat("job ", directive_.job(), ": segment ",
                                                   directive_.segment().index(),
                                                   " begins at data shard ", first, " of ", total));
  }
  return WorkPlan(first, shards_per_epoch(), total, run_length);
}

}  // namespace paceline
