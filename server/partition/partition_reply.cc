// The other half of partition.h: who is answered when, what directives change, what is reported.
#include <algorithm>
#include <cstddef>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/base/status_macros.h"
#include "server/partition/partition.h"

namespace paceline {
namespace {

// Reports go to the coordinator every interval; a person reads no more names than this.
constexpr size_t kWaitsReportedMax = 64;

}  // namespace

void PartitionPrimary::Refuse(uint64_t call, const v1::WorkerIdentity& worker,
                              const absl::Status& status, Answers* answers) {
  if (absl::IsInvalidArgument(status)) {
    // CheckPush refuses ids that are too long to be repeated.
    absl::string_view name(worker.id());
    if (name.size() > kWorkerIdMax) name = "somebody";
    if (tally_.Invalid(name, status.message())) news_ = true;
  }
  answers->push_back({call, status, {}, nullptr});
}

void PartitionPrimary::Park(Parked parked, Answers* answers) {
  if (parked_.size() < kParkedMax) {
    parked_.push_back(std::move(parked));
    return;
  }
  answers->push_back({parked.call,
                      absl::ResourceExhaustedError(
                          absl::StrCat(kParkedMax, " calls wait at partition ", spec_.partition,
                                       " of ", spec_.job, "; try again later")),
                      {},
                      nullptr});
}

void PartitionPrimary::Reply(Answers* answers) {
  size_t from = std::exchange(has_progress_, false) ? 0 : examined_;
  // Clocks first: a repetition that is acknowledged may be what others wait for.
  for (size_t i = from; i < parked_.size(); ++i) {
    Parked& parked = parked_[i];
    if (!parked.must_acknowledge || parked.committed_index > committed_index_) continue;
    dedupe_.Acknowledged(parked.worker, parked.incarnation, parked.clock);
    parked.must_acknowledge = false;
    from = 0;
  }
  absl::optional<SlowestMember> slowest;
  if (rules_.is_ssp()) slowest = FindSlowest(roster_, dedupe_);
  const auto is_answered = [&](const Parked& parked) {
    if (MustWait(parked, slowest)) return false;
    if (parked.read_clock > 0) tally_.ReadAt(ReadLead(parked.read_clock, slowest));
    answers->push_back(AnswerTo(parked));
    return true;
  };
  // remove_if visits in order, so answers go out in the order of arrival.
  const auto begin = parked_.begin() + static_cast<std::ptrdiff_t>(from);
  parked_.erase(std::remove_if(begin, parked_.end(), is_answered), parked_.end());
  examined_ = parked_.size();
}

bool PartitionPrimary::IsAwaitingNorm(const Parked& parked) const {
  return awaiting_norm_.has_value() && parked.exact_version == tip_version_ + 1;
}

bool PartitionPrimary::MustWait(const Parked& parked,
                                const absl::optional<SlowestMember>& slowest) const {
  if (parked.committed_index > committed_index_) return true;
  if (parked.exact_version > version_) return !IsAwaitingNorm(parked);
  return !AdmitRead(parked.read_clock, rules_.staleness(), slowest);
}

Answer PartitionPrimary::AnswerTo(const Parked& parked) const {
  Answer answer;
  answer.call = parked.call;
  answer.header.set_version(version_);
  answer.header.set_duplicate(parked.is_duplicate);
  answer.header.set_staleness(parked.staleness);
  answer.header.set_dtype(v1::FLOAT32);
  if (square_norms_version_ > 0 && parked.exact_version == square_norms_version_) {
    answer.header.mutable_square_norms()->Add(square_norms_.begin(), square_norms_.end());
  }
  if (IsAwaitingNorm(parked)) {
    answer.header.set_awaiting_norm(true);
    return answer;
  }
  if (!parked.want_parameters) return answer;
  const uint64_t version = parked.exact_version.value_or(version_);
  answer.parameters = Kept(version);
  if (answer.parameters == nullptr) {
    return {parked.call,
            absl::AbortedError(absl::StrCat("version ", version,
                                            " is gone; this partition is at version ", version_,
                                            " and keeps the one before it")),
            {},
            nullptr};
  }
  answer.header.set_version(version);
  return answer;
}

BlockRef PartitionPrimary::Kept(uint64_t version) const {
  if (version == version_) return current_;
  return version + 1 == version_ ? previous_ : nullptr;
}

void PartitionPrimary::OnCancel(uint64_t call) {
  parked_.erase(std::remove_if(parked_.begin(), parked_.end(),
                               [call](const Parked& parked) { return parked.call == call; }),
                parked_.end());
  examined_ = parked_.size();
}

void PartitionPrimary::AnswerAllParked(const absl::Status& status, Answers* answers) {
  for (const Parked& parked : parked_) answers->push_back({parked.call, status, {}, nullptr});
  parked_.clear();
  examined_ = 0;
}

void PartitionPrimary::End(const absl::Status& reason, Answers* answers) {
  if (ended_.ok()) ended_ = reason;
  AnswerAllParked(ended_, answers);
}

absl::Status PartitionPrimary::OnDirective(const v1::JobDirective& directive, uint64_t term,
                                           Answers* answers) {
  if (!ended_.ok() || term < term_) return absl::OkStatus();
  if (term > term_) {
    term_ = term;
    AnswerAllParked(
        absl::FailedPreconditionError(absl::StrCat("partition ", spec_.partition, " of ", spec_.job,
                                                   " is now at term ", term)),
        answers);
  }
  if (directive.segment().index() < rules_.index()) return absl::OkStatus();
  RETURN_IF_ERROR(FollowSegment(directive.segment(), answers));
  state_ = directive.state();
  granted_rounds_ = directive.granted_rounds();
  FollowRoster(directive.roster(), answers);
  return absl::OkStatus();
}

absl::Status PartitionPrimary::FollowSegment(const v1::Segment& segment, Answers* answers) {
  if (segment.index() == rules_.index()) return absl::OkStatus();
  const ShardSet& applied = dedupe_.applied();
  const bool is_at_cut =
      rules_.is_bare() || (version_ == segment.first_version() &&
                           applied.below() == segment.first_shard() && applied.extents().empty());
  if (!is_at_cut || !unpublished_.empty()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "segment ", segment.index(), " starts at version ", segment.first_version(),
        " and data shard ", segment.first_shard(), "; partition ", spec_.partition, " of ",
        spec_.job, " is at version ", version_, " (", tip_version_, " in the log), with all below ",
        applied.below(), " and ", applied.extents().size(), " extents above it applied"));
  }
  ASSIGN_OR_RETURN(rules_, SegmentRules::Create(segment, spec_.work));
  // Nothing that was begun beyond the cut counts.
  round_.reset();
  awaiting_norm_.reset();
  square_norms_version_ = 0;
  AnswerAllParked(
      absl::FailedPreconditionError(absl::StrCat("partition ", spec_.partition, " of ", spec_.job,
                                                 " is now in segment ", segment.index())),
      answers);
  return absl::OkStatus();
}

void PartitionPrimary::FollowRoster(const v1::Roster& roster, Answers* answers) {
  if (roster.version() <= roster_.version()) return;
  roster_ = roster;
  for (const v1::RosterMember& member : roster.members()) {
    // One that does not fit in the table is met when it pushes, and told so.
    dedupe_.Meet(member.worker().id(), member.worker().incarnation()).IgnoreError();
  }
  has_progress_ = true;
  Reply(answers);
}

WaitReason PartitionPrimary::WhyParked(const Parked& parked) const {
  if (parked.committed_index > committed_index_) {
    return {absl::StrCat("log entry ", parked.committed_index, " is not committed"), {}};
  }
  if (parked.exact_version.has_value()) {
    const absl::optional<WorkPlan::Run> run = rules_.RoundAt(version_);
    if (*parked.exact_version != version_ + 1 || !run.has_value() || tip_version_ != version_) {
      return {absl::StrCat("version ", *parked.exact_version), {}};
    }
    const std::vector<LeafRun> missing =
        round_ == nullptr ? std::vector<LeafRun>{{0, run->count}} : round_->Missing();
    return WaitForRound(version_, *run, missing, roster_);
  }
  return WaitForClock(parked.read_clock, rules_.staleness(), roster_, dedupe_);
}

v1::PartitionReport PartitionPrimary::Report(absl::Time now) const {
  v1::PartitionReport report;
  report.set_job(spec_.job);
  report.set_partition(spec_.partition);
  report.set_term(term_);
  report.set_segment(rules_.index());
  report.set_version(version_);
  report.set_applied_below(dedupe_.applied().below());
  for (const ShardExtent& extent : dedupe_.applied().extents()) {
    v1::ShardExtent* const applied = report.add_applied();
    applied->set_first(extent.first);
    applied->set_count(extent.count);
  }
  tally_.FillIn(&report);
  for (const Parked& parked : parked_) {
    if (report.waits_size() == kWaitsReportedMax) break;
    WaitReason reason = WhyParked(parked);
    v1::Wait* const wait = report.add_waits();
    wait->set_worker(parked.worker);
    wait->set_what(std::move(reason.what));
    for (std::string& name : reason.on) wait->add_on(std::move(name));
    wait->set_seconds(absl::ToDoubleSeconds(now - parked.since));
  }
  return report;
}

bool PartitionPrimary::TakeNews() { return std::exchange(news_, false); }

}  // namespace paceline
