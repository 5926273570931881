#include "worker/loop/job_loop.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/router.h"
#include "common/base/check.h"
#include "worker/loop/job_loop_impl.h"

namespace paceline {

// ---- Events ----

void JobLoop::Impl::OnDirective(absl::Time now, const v1::JobDirective& directive) {
  if (session.router().IsPast(directive)) return;
  times_.Count(now, TimeKind());
  const absl::Status status = session.OnDirective(now, directive);
  const bool is_new = job_.Update(directive, session.ready());
  if (phase_ == Phase::kBroken) return;
  if (!status.ok()) {
    Break(status);
    return;
  }
  if (is_new) {
    Restart(now);
  } else if (phase_ == Phase::kGrant) {
    BeginRound(now);
  }
  leases_.OnNews(now);
  Follow(now);
}

void JobLoop::Impl::OnCallDone(absl::Time now, uint64_t id, CallResult result) {
  times_.Count(now, TimeKind());
  session.OnCallDone(now, id, std::move(result));
  Follow(now);
}

void JobLoop::Impl::OnTick(absl::Time now) {
  times_.Count(now, TimeKind());
  session.OnTick(now);
  if (phase_ == Phase::kPausing && now >= resume_at_) BeginRead(now);
  if (now >= WatchAt()) Watch(now);
  Follow(now);
}

void JobLoop::Impl::OnComputed(absl::Time now, uint64_t id,
                               absl::StatusOr<std::vector<ComputedPiece>> pieces) {
  times_.Count(now, TimeKind());
  if (!open_compute_.has_value() || open_compute_->id != id) return;
  const bool current = open_compute_->stage == stage_;
  open_compute_.reset();
  if (pieces.ok()) {
    for (const ComputedPiece& piece : *pieces) samples_ += piece.piece.samples();
  }
  if (current && !pieces.ok()) {
    Break(pieces.status());
  } else if (current) {
    PACELINE_CHECK(!pieces->empty());
    Push(now, *std::move(pieces));
  }
  Follow(now);
}

void JobLoop::Impl::OnAbandoned(absl::Time now, uint64_t id, uint64_t samples) {
  times_.Count(now, TimeKind());
  if (!open_compute_.has_value() || open_compute_->id != id) return;
  open_compute_.reset();
  samples_ += samples;
  Follow(now);
}

void JobLoop::Impl::OnEvaluated(absl::Time now, uint64_t id,
                                absl::StatusOr<v1::Evaluation> evaluation) {
  times_.Count(now, TimeKind());
  if (!evaluations.is_open(id)) return;
  const absl::Status status = evaluations.OnAnswer(std::move(evaluation));
  if (phase_ == Phase::kBroken) return;
  if (!status.ok()) {
    Break(status);
    return;
  }
  if (phase_ == Phase::kFinalEvaluation && evaluations.has_final()) {
    Enter(Phase::kIdle);
  } else if (phase_ == Phase::kEpochEvaluation || phase_ == Phase::kFinalEvaluation) {
    Continue(now);
  }
  Follow(now);
}

void JobLoop::Impl::OnLease(absl::Time now, uint64_t id, absl::StatusOr<v1::LeaseReply> reply) {
  times_.Count(now, TimeKind());
  if (reply.ok()) {
    leases_.OnReply(now, id, *reply);
    if (phase_ == Phase::kLease) BeginRun(now);
  } else {
    leases_.OnFailure(now, id);
  }
  Follow(now);
}

// After every event: the operation's result, further leaves, and what can now be asked for.
void JobLoop::Impl::Follow(absl::Time now) {
  while (std::optional<OperationResult> result = session.TakeResult()) {
    OnOperation(now, *std::move(result));
  }
  CoverRoster();
  Help();
  if (wanted_compute_.has_value() && !open_compute_.has_value()) {
    compute = std::exchange(wanted_compute_, std::nullopt);
    compute->id = next_id_++;
    open_compute_ = {compute->id, stage_};
  }
  if (open_compute_.has_value() && open_compute_->stage != stage_ && !open_compute_->abandoned) {
    open_compute_->abandoned = true;
    abandoned = open_compute_->id;
  }
  if (leasing()) {
    if (std::optional<LeaseCall> call = leases_.Ask(now)) lease = call;
  }
}

void JobLoop::Impl::OnOperation(absl::Time now, OperationResult result) {
  const bool exchanged = phase_ == Phase::kExchanging;
  switch (RemedyFor(result.status.code())) {
    case Remedy::kNone:
      // Who was still computing has waited for nothing.
      if (job_.target() == Target::kTrain && phase_ != Phase::kComputing) {
        times_.Transferred(times_.waited() - waited_before_, result.held);
      }
      pauses_.Reset();
      parameters_ = std::move(result.parameters);
      versions_ = std::move(result.versions);
      exchanged ? OnExchanged(now) : Continue(now);
      return;
    case Remedy::kRecompute:
      // A push that was too stale: its run is computed anew on what a read brings now.
      if (exchanged && !job_.has_rounds()) {
        BeginRead(now);
      } else {
        Pause(now);
      }
      return;
    case Remedy::kStop:
      // The directive will say so. If it does not, a server was only going down.
      Pause(now);
      return;
    default:
      Break(result.status);
  }
}

void JobLoop::Impl::OnExchanged(absl::Time now) {
  if (job_.has_rounds()) {
    // Answers of different rounds: a partition was asked when it had gone on already.
    const bool consistent = std::all_of(versions_.begin(), versions_.end(),
                                        [&](uint64_t version) { return version == versions_[0]; });
    if (consistent) {
      BeginRound(now);
    } else {
      BeginRead(now);
    }
    return;
  }
  leases_.CompleteFront();
  runs_in_clock_ = *push_clock_ < clock_ ? runs_in_clock_ + 1 : 0;
  clock_ = std::max(clock_, *push_clock_ + 1);
  read_clock_ = *push_clock_ + 1;
  reported_clock_ = *push_clock_ + 1;
  push_clock_.reset();
  BeginRun(now);
}

// ---- The report ----

WorkTimes::Kind JobLoop::Impl::TimeKind() const {
  switch (phase_) {
    case Phase::kComputing:
      return WorkTimes::Kind::kCompute;
    case Phase::kExchanging:
      // Leaves of others, as well.
      return open_compute_.has_value() && open_compute_->stage == stage_ ? WorkTimes::Kind::kCompute
                                                                         : WorkTimes::Kind::kWait;
    case Phase::kIdle:
    case Phase::kFinalEvaluation:
    case Phase::kBroken:
      return WorkTimes::Kind::kNone;
    default:
      return WorkTimes::Kind::kWait;
  }
}

v1::WorkerJobReport JobLoop::Impl::Report(absl::Time now) const {
  v1::WorkerJobReport report;
  report.set_job(job_.directive().job());
  report.set_clock(reported_clock_);
  report.set_samples(samples_);
  times_.FillIn(now, TimeKind(), &report);
  report.set_bytes_pushed(session.bytes_pushed());
  report.set_bytes_pulled(session.bytes_pulled());
  if (!error_.ok()) report.set_error(std::string(error_.message()));
  evaluations.FillIn(job_.target() == Target::kEvaluate, &report);
  return report;
}

std::string JobLoop::Impl::Doing() const {
  const auto unanswered = [&] {
    return absl::StrCat(" with partitions ", absl::StrJoin(session.Unanswered(), ", "));
  };
  switch (phase_) {
    case Phase::kIdle:
      return absl::StrCat("idle: the job is ", v1::JobState_Name(job_.directive().state()));
    case Phase::kPausing:
      return "resting before it reads again";
    case Phase::kReading:
      return absl::StrCat("read", unanswered());
    case Phase::kGrant:
      return absl::StrCat("waiting for the grant of round ",
                          versions_[0] - job_.directive().segment().first_version());
    case Phase::kLease:
      return "waiting for a lease of data shards";
    case Phase::kEpochEvaluation:
      return absl::StrCat("waiting for the evaluation of epoch ", evaluations.open_epoch());
    case Phase::kComputing:
      return absl::StrCat("computing at clock ",
                          job_.has_rounds() ? versions_[0] : push_clock_.value_or(clock_));
    case Phase::kExchanging:
      return absl::StrCat("exchange of clock ",
                          job_.has_rounds() ? versions_[0] : push_clock_.value_or(clock_),
                          unanswered());
    case Phase::kFinalEvaluation:
      return "evaluating the final parameters";
    case Phase::kBroken:
      return absl::StrCat("stopped: ", std::string(error_.message()));
  }
  return "";
}

absl::Time JobLoop::Impl::NextTick() const {
  absl::Time next = session.NextTick();
  if (phase_ == Phase::kPausing) next = std::min(next, resume_at_);
  if (leasing()) next = std::min(next, leases_.NextAsk());
  return std::min(next, WatchAt());
}

absl::Time JobLoop::Impl::WatchAt() const {
  const bool watches = phase_ == Phase::kComputing && job_.speculates() && !session.busy();
  return watches ? phase_began_ + watch_after_ : absl::InfiniteFuture();
}

// ---- The outside ----

JobLoop::JobLoop(v1::WorkerIdentity worker, JobLoopOptions options)
    : impl_(std::make_unique<Impl>(std::move(worker), options)) {}
JobLoop::~JobLoop() = default;

void JobLoop::OnDirective(absl::Time now, const v1::JobDirective& directive) {
  impl_->OnDirective(now, directive);
}
void JobLoop::OnCallDone(absl::Time now, uint64_t id, CallResult result) {
  impl_->OnCallDone(now, id, std::move(result));
}
void JobLoop::OnComputed(absl::Time now, uint64_t id,
                         absl::StatusOr<std::vector<ComputedPiece>> pieces) {
  impl_->OnComputed(now, id, std::move(pieces));
}
void JobLoop::OnAbandoned(absl::Time now, uint64_t id, uint64_t samples) {
  impl_->OnAbandoned(now, id, samples);
}
void JobLoop::OnEvaluated(absl::Time now, uint64_t id, absl::StatusOr<v1::Evaluation> evaluation) {
  impl_->OnEvaluated(now, id, std::move(evaluation));
}
void JobLoop::OnLease(absl::Time now, uint64_t id, absl::StatusOr<v1::LeaseReply> reply) {
  impl_->OnLease(now, id, std::move(reply));
}
void JobLoop::OnReported(const v1::WorkerJobReport& report) {
  impl_->evaluations.OnReported(report);
}
void JobLoop::OnTick(absl::Time now) { impl_->OnTick(now); }
absl::Time JobLoop::NextTick() const { return impl_->NextTick(); }

std::vector<ParameterCall> JobLoop::TakeCalls() { return impl_->session.TakeCalls(); }
std::vector<uint64_t> JobLoop::TakeCancels() { return impl_->session.TakeCancels(); }
std::optional<ComputeRequest> JobLoop::TakeCompute() {
  return std::exchange(impl_->compute, std::nullopt);
}
std::optional<uint64_t> JobLoop::TakeAbandoned() {
  return std::exchange(impl_->abandoned, std::nullopt);
}
std::optional<EvaluateRequest> JobLoop::TakeEvaluate() { return impl_->evaluations.TakeRequest(); }
std::optional<LeaseCall> JobLoop::TakeLease() { return std::exchange(impl_->lease, std::nullopt); }
v1::WorkerJobReport JobLoop::Report(absl::Time now) const { return impl_->Report(now); }
std::string JobLoop::Doing() const { return impl_->Doing(); }

}  // namespace paceline
