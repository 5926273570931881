// The other half of partition.h: who is answered when, what directives change, what is reported.
#include <algorithm>
#include <cstddef>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "common/base/status_macros.h"
#include "server/partition/partition.h"

namespace paceline {
namespace {

// Reports go to the coordinator every interval; a person reads no more names than this.
constexpr size_t kWaitsReportedMax = 64;

uint64_t MicrosecondsHeld(absl::Time now, absl::Time since) {
  return static_cast<uint64_t>(std::max(int64_t{0}, absl::ToInt64Microseconds(now - since)));
}

}  // namespace

void PartitionPrimary::Refuse(uint64_t call, const v1::WorkerIdentity& worker,
                              const absl::Status& status, Answers* answers) {
  if (absl::IsInvalidArgument(status)) {
    // CheckPush refuses ids that are too long to be repeated.
    absl::string_view name(worker.id());
    if (name.size() > kWorkerIdMax) name = "somebody";
    if (state_->tally().Invalid(name, status.message())) news_ = true;
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

void PartitionPrimary::Reply(absl::Time now, Answers* answers) {
  // The answers wait for the promise that no other primary serves; what comes meanwhile is
  // examined then.
  if (!log_->may_answer(now)) return;
  size_t from = std::exchange(has_progress_, false) ? 0 : examined_;
  // Clocks first: a repetition that is acknowledged may be what others wait for.
  for (size_t i = from; i < parked_.size(); ++i) {
    Parked& parked = parked_[i];
    if (!parked.must_acknowledge || parked.committed_index > AcknowledgedIndex()) continue;
    state_->dedupe().Acknowledged(parked.worker, parked.incarnation, parked.clock);
    parked.must_acknowledge = false;
    from = 0;
  }
  absl::optional<SlowestMember> slowest;
  if (rules_.is_ssp()) slowest = FindSlowest(roster_, state_->dedupe());
  const auto is_answered = [&](const Parked& parked) {
    if (MustWait(parked, slowest)) {
      if (!MayHelp(parked)) return false;
      late_.Helped();
      answers->push_back(AnswerMissing(now, parked));
      return true;
    }
    if (parked.read_clock > 0) state_->tally().ReadAt(ReadLead(parked.read_clock, slowest));
    answers->push_back(AnswerTo(now, parked));
    return true;
  };
  // remove_if visits in order, so answers go out in the order of arrival.
  const auto begin = parked_.begin() + static_cast<std::ptrdiff_t>(from);
  parked_.erase(std::remove_if(begin, parked_.end(), is_answered), parked_.end());
  examined_ = parked_.size();
}

uint64_t PartitionPrimary::AcknowledgedIndex() const {
  return acknowledges_alone_ ? log_->acknowledgeable() : state_->committed_index();
}

uint64_t PartitionPrimary::ShownVersion() const {
  return acknowledges_alone_ ? state_->tip_version() : state_->version();
}

bool PartitionPrimary::IsAwaitingNorm(const Parked& parked) const {
  return awaiting_norm_.has_value() && parked.exact_version == state_->tip_version() + 1;
}

bool PartitionPrimary::MustWait(const Parked& parked,
                                const absl::optional<SlowestMember>& slowest) const {
  if (parked.committed_index > AcknowledgedIndex()) return true;
  if (parked.exact_version > state_->version()) return !IsAwaitingNorm(parked);
  return !AdmitRead(parked.read_clock, rules_.staleness(), slowest);
}

bool PartitionPrimary::MayHelp(const Parked& parked) const {
  return parked.offers_help && late_.wants_help() && round_ != nullptr &&
         parked.committed_index <= state_->committed_index() &&
         parked.exact_version == state_->tip_version() + 1;
}

Answer PartitionPrimary::AnswerMissing(absl::Time now, const Parked& parked) const {
  Answer answer;
  answer.call = parked.call;
  answer.header.set_held_us(MicrosecondsHeld(now, parked.since));
  answer.header.set_version(state_->version());
  answer.header.set_dtype(v1::FLOAT32);
  const uint64_t first = rules_.RoundAt(state_->tip_version())->first_ordinal;
  for (const LeafRun& leaves : round_->Missing()) {
    for (uint64_t i = 0; i < leaves.count; ++i) {
      answer.header.add_missing(first + leaves.first + i);
    }
  }
  return answer;
}

Answer PartitionPrimary::AnswerTo(absl::Time now, const Parked& parked) const {
  Answer answer;
  answer.call = parked.call;
  answer.header.set_held_us(MicrosecondsHeld(now, parked.since));
  answer.header.set_version(ShownVersion());
  answer.header.set_duplicate(parked.is_duplicate);
  answer.header.set_staleness(parked.staleness);
  answer.header.set_dtype(v1::FLOAT32);
  const auto add_norms = [&answer](const std::vector<double>& norms) {
    answer.header.mutable_square_norms()->Add(norms.begin(), norms.end());
  };
  if (IsAwaitingNorm(parked)) {
    add_norms(awaiting_norm_->square_norms);
    answer.header.set_awaiting_norm(true);
    return answer;
  }
  const uint64_t norms_of = state_->square_norms_version();
  if (norms_of > 0 && parked.exact_version == norms_of) add_norms(state_->square_norms());
  if (!parked.want_parameters) return answer;
  const uint64_t version = parked.exact_version.value_or(ShownVersion());
  const bool is_tip = acknowledges_alone_ && !parked.exact_version.has_value();
  answer.parameters = is_tip ? state_->tip() : state_->Kept(version);
  if (answer.parameters == nullptr) {
    return {parked.call,
            absl::AbortedError(absl::StrCat("version ", version,
                                            " is gone; this partition is at version ",
                                            state_->version(), " and keeps the one before it")),
            {},
            nullptr};
  }
  answer.header.set_version(version);
  return answer;
}

void PartitionPrimary::OnCancel(uint64_t call) {
  parked_.erase(std::remove_if(parked_.begin(), parked_.end(),
                               [call](const Parked& parked) { return parked.call == call; }),
                parked_.end());
  examined_ = 0;
  held_.erase(std::remove_if(held_.begin(), held_.end(),
                             [call](const HeldPush& held) { return held.call == call; }),
              held_.end());
}

void PartitionPrimary::AnswerAllParked(const absl::Status& status, Answers* answers) {
  for (const Parked& parked : parked_) answers->push_back({parked.call, status, {}, nullptr});
  for (const HeldPush& held : held_) answers->push_back({held.call, status, {}, nullptr});
  parked_.clear();
  held_.clear();
  examined_ = 0;
}

void PartitionPrimary::End(const absl::Status& reason, Answers* answers) {
  if (ended_.ok()) ended_ = reason;
  AnswerAllParked(ended_, answers);
}

std::unique_ptr<ReplicatedState> PartitionPrimary::StepDown(const absl::Status& reason,
                                                            Answers* answers) {
  End(reason, answers);
  return std::move(state_);
}

absl::Status PartitionPrimary::OnDirective(absl::Time now, const v1::JobDirective& directive,
                                           uint64_t term, Answers* answers) {
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
  state_of_job_ = directive.state();
  granted_rounds_ = directive.granted_rounds();
  FollowRoster(directive.roster());
  if (MayClose(now)) CloseRound(now);
  Reply(now, answers);
  return absl::OkStatus();
}

absl::Status PartitionPrimary::FollowSegment(const v1::Segment& segment, Answers* answers) {
  if (segment.index() == rules_.index()) return absl::OkStatus();
  // The cut is committed, or it would not be one. A new primary may hear that later.
  const ShardSet& appended = state_->dedupe().appended();
  const bool is_at_cut =
      rules_.is_bare() || (state_->tip_version() == segment.first_version() &&
                           appended.below() == segment.first_shard() && appended.extents().empty());
  if (!is_at_cut) {
    return absl::FailedPreconditionError(
        absl::StrCat("segment ", segment.index(), " starts at version ", segment.first_version(),
                     " and data shard ", segment.first_shard(), "; partition ", spec_.partition,
                     " of ", spec_.job, " is at version ", state_->version(), " (",
                     state_->tip_version(), " in the log), with all below ", appended.below(),
                     " and ", appended.extents().size(), " extents above it applied"));
  }
  ASSIGN_OR_RETURN(rules_, SegmentRules::Create(segment, spec_.work));
  // Nothing that was begun beyond the cut counts.
  round_.reset();
  round_pushes_ = 0;
  late_.Close();
  grace_ = RoundGrace(rules_.grace());
  carried_ = Carried();
  awaiting_norm_.reset();
  ready_.reset();
  AnswerAllParked(
      absl::FailedPreconditionError(absl::StrCat("partition ", spec_.partition, " of ", spec_.job,
                                                 " is now in segment ", segment.index())),
      answers);
  return absl::OkStatus();
}

void PartitionPrimary::FollowRoster(const v1::Roster& roster) {
  if (roster.version() <= roster_.version()) return;
  roster_ = roster;
  for (const v1::RosterMember& member : roster.members()) {
    // One that does not fit in the table is met when it pushes, and told so.
    state_->dedupe().Meet(member.worker().id(), member.worker().incarnation()).IgnoreError();
  }
  has_progress_ = true;
}

WaitReason PartitionPrimary::WhyParked(absl::Time now, const Parked& parked) const {
  const uint64_t committed = state_->committed_index();
  if (parked.committed_index > AcknowledgedIndex()) return WhyNotCommitted(parked.committed_index);
  const uint64_t version = state_->version();
  if (parked.exact_version > version) {
    const uint64_t behind = *parked.exact_version - version;
    // Each entry makes one version.
    if (*parked.exact_version <= state_->tip_version()) return WhyNotCommitted(committed + behind);
    if (ready_.has_value() && *parked.exact_version == state_->tip_version() + 1) {
      return WhyNotInSync();
    }
    const absl::optional<WorkPlan::Run> run = rules_.RoundAt(version);
    if (behind != 1 || !run.has_value()) {
      return {absl::StrCat("version ", *parked.exact_version), {}};
    }
    if (!IsAwaitingNorm(parked)) {
      const std::vector<LeafRun> missing =
          round_ == nullptr ? std::vector<LeafRun>{{0, run->count}} : round_->Missing();
      const v1::QuorumMode* const quorum = rules_.quorum();
      return quorum == nullptr ? WaitForRound(version, *run, missing, roster_)
                               : WaitForQuorum(version, *run, missing, roster_, quorum->workers(),
                                               grace_.end() - now);
    }
  } else if (!parked.exact_version.has_value() &&
             !AdmitRead(parked.read_clock, rules_.staleness(),
                        FindSlowest(roster_, state_->dedupe()))) {
    return WaitForClock(parked.read_clock, rules_.staleness(), roster_, state_->dedupe());
  }
  return WhyNotPromised(now);
}

WaitReason PartitionPrimary::WhyNotInSync() const {
  return {absl::StrCat(log_->min_in_sync(), " copies in sync; ", log_->copies_in_sync(),
                       log_->copies_in_sync() == 1 ? " is" : " are"),
          {}};
}

WaitReason PartitionPrimary::WhyNotCommitted(uint64_t index) const {
  std::vector<std::string> servers = log_->Awaited(index);
  if (servers.empty()) return {absl::StrCat("entry ", index, " is not committed"), {}};
  const bool is_one = servers.size() == 1;
  std::string what =
      absl::StrCat("entry ", index, is_one ? ": copy on " : ": copies on ",
                   absl::StrJoin(servers, ", "), is_one ? " has" : " have", " not acknowledged it");
  return {std::move(what), std::move(servers)};
}

WaitReason PartitionPrimary::WhyNotPromised(absl::Time now) const {
  std::vector<std::string> servers = log_->Unpromised(now);
  std::string what = absl::StrCat("the promise of ", absl::StrJoin(servers, ", "),
                                  " that no other primary serves");
  return {std::move(what), std::move(servers)};
}

v1::PartitionReport PartitionPrimary::Report(absl::Time now) const {
  v1::PartitionReport report;
  state_->FillIn(&report);
  state_->tally().FillInLocal(&report);
  report.set_term(term_);
  report.set_segment(rules_.index());
  const auto add = [&](const std::string& worker, absl::Time since, WaitReason reason) {
    v1::Wait* const wait = report.add_waits();
    wait->set_worker(worker);
    wait->set_what(std::move(reason.what));
    for (std::string& name : reason.on) wait->add_on(std::move(name));
    wait->set_seconds(absl::ToDoubleSeconds(now - since));
  };
  for (const Parked& parked : parked_) {
    if (report.waits_size() == kWaitsReportedMax) break;
    add(parked.worker, parked.since, WhyParked(now, parked));
  }
  for (const HeldPush& held : held_) {
    if (report.waits_size() == kWaitsReportedMax) break;
    add(held.header.worker().id(), held.since, WhyNotInSync());
  }
  return report;
}

bool PartitionPrimary::TakeNews() { return std::exchange(news_, false); }

}  // namespace paceline
