// What the loop does next: reads, computes, pushes, evaluates, or rests.
#include <algorithm>
#include <utility>

#include "worker/loop/job_loop_impl.h"

namespace paceline {

void JobLoop::Impl::Enter(Phase phase) {
  phase_ = phase;
  phase_began_ = times_.counted();
  waited_before_ = times_.waited();
}

// Begins what the directive asks, whatever was going on.
void JobLoop::Impl::Restart(absl::Time now) {
  session.Abandon();
  wanted_compute_.reset();
  ++stage_;
  push_clock_.reset();
  entered_epoch_.reset();
  evaluations.ForgetFinal();
  Enter(Phase::kIdle);
  if (job_.target() == Target::kNothing) return;
  const absl::StatusOr<WorkPlan> plan = job_.Plan();
  if (!plan.ok()) {
    Break(plan.status());
    return;
  }
  plan_ = *plan;
  if (leasing()) {
    // What a primary acknowledged alone may go with it, and is granted again.
    const bool may_lose = job_.directive().spec().fleet().acks() == v1::FleetSpec::LEADER;
    leases_.Begin(now, job_.directive().segment().index(), plan_->size(), may_lose);
    clock_ = std::max(clock_, job_.start_clock());
    runs_in_clock_ = 0;
    reported_clock_ = clock_;
  }
  BeginRead(now);
}

void JobLoop::Impl::Pause(absl::Time now) {
  ++stage_;
  wanted_compute_.reset();
  Enter(Phase::kPausing);
  resume_at_ = now + pauses_.Next();
}

void JobLoop::Impl::Break(const absl::Status& status) {
  session.Abandon();
  wanted_compute_.reset();
  ++stage_;
  error_ = status;
  Enter(Phase::kBroken);
}

void JobLoop::Impl::BeginRead(absl::Time now) {
  ++stage_;
  PullArgs args;
  args.consistent = job_.target() == Target::kEvaluate || job_.has_rounds();
  if (job_.is_ssp() && !args.consistent) {
    clock_ = std::max({clock_, job_.start_clock(), leases_.start_clock()});
    args.clock = push_clock_.value_or(clock_);
    read_clock_ = args.clock;
  }
  Enter(Phase::kReading);
  session.BeginPull(now, args);
}

// The next thing to do with the parameters at hand.
void JobLoop::Impl::Continue(absl::Time now) {
  if (job_.target() == Target::kEvaluate) {
    EvaluateFinal();
  } else if (job_.has_rounds()) {
    BeginRound(now);
  } else {
    BeginRun(now);
  }
}

// Rounds: all partitions are at one version, which says which round is next.
void JobLoop::Impl::BeginRound(absl::Time now) {
  ++stage_;
  wanted_compute_.reset();
  const uint64_t version = versions_[0];
  reported_clock_ = version;
  if (version < job_.directive().segment().first_version()) {
    Pause(now);
    return;
  }
  const uint64_t round = version - job_.directive().segment().first_version();
  if (round >= plan_->size()) {
    Enter(Phase::kGrant);
    return;
  }
  const WorkPlan::Run run = plan_->At(round);
  if (!EvaluateEpoch(run.first_ordinal)) {
    Enter(Phase::kEpochEvaluation);
    return;
  }
  if (round >= job_.directive().granted_rounds()) {
    Enter(Phase::kGrant);
    return;
  }
  cover_.Begin(run);
  std::vector<ComputePiece> pieces = cover_.TakeMissing(job_.rank(), job_.workers());
  if (!pieces.empty()) {
    Enter(Phase::kComputing);
    RequestCompute(std::move(pieces));
    return;
  }
  PullArgs args;
  args.exact_version = version + 1;
  args.offers_help = job_.speculates();
  Enter(Phase::kExchanging);
  session.BeginPull(now, args);
}

// ssp, async: the run in front, or waiting for one.
void JobLoop::Impl::BeginRun(absl::Time now) {
  ++stage_;
  wanted_compute_.reset();
  if (leases_.empty()) {
    if (phase_ != Phase::kLease) Enter(Phase::kLease);
    return;
  }
  if (phase_ == Phase::kLease && now - phase_began_ > stale_after_) {
    BeginRead(now);
    return;
  }
  clock_ = std::max({clock_, job_.start_clock(), leases_.start_clock()});
  if (job_.is_ssp() && push_clock_.value_or(clock_) > read_clock_) {
    BeginRead(now);
    return;
  }
  const WorkPlan::Run run = plan_->At(leases_.front());
  if (!EvaluateEpoch(run.first_ordinal)) {
    Enter(Phase::kEpochEvaluation);
    return;
  }
  Enter(Phase::kComputing);
  RequestCompute({{run.first_ordinal, static_cast<uint32_t>(run.count)}});
}

// Rounds: a roster that changed may have given this worker leaves that it has not computed.
void JobLoop::Impl::CoverRoster() {
  if (!job_.has_rounds() || job_.target() != Target::kTrain || phase_ != Phase::kExchanging) return;
  if (wanted_compute_.has_value()) return;
  if (open_compute_.has_value() && open_compute_->stage == stage_) return;
  std::vector<ComputePiece> pieces = cover_.TakeMissing(job_.rank(), job_.workers());
  if (!pieces.empty()) RequestCompute(std::move(pieces));
}

// sync: the round is late, and this worker waits for it.
void JobLoop::Impl::Help() {
  if (phase_ != Phase::kExchanging || !job_.speculates()) return;
  // Its next offer tells what is missing then.
  if (wanted_compute_.has_value() || open_compute_.has_value()) return;
  std::vector<ComputePiece> pieces =
      cover_.TakeHelp(session.TakeMissing(), job_.rank(), job_.workers());
  if (!pieces.empty()) RequestCompute(std::move(pieces));
}

// sync: others may end the round before this worker has computed its part.
void JobLoop::Impl::Watch(absl::Time now) {
  PullArgs args;
  args.exact_version = versions_[0] + 1;
  session.BeginPull(now, args);
}

void JobLoop::Impl::RequestCompute(std::vector<ComputePiece> pieces) {
  ComputeRequest request;
  request.pieces = std::move(pieces);
  request.parameters = parameters_;
  request.square_norm =
      !job_.has_rounds() && job_.directive().spec().optimizer().has_clip_global_norm();
  wanted_compute_ = std::move(request);
}

// The last clock that is over with the push of the front run. A fast worker's clock holds several
// runs: all but the last of them leave it under way. It is over early rather than kept open when no
// next run is in hand, since others may wait for it.
uint64_t JobLoop::Impl::ClockOfPush() const {
  const bool goes_on = job_.is_ssp() && clock_ > 0 && leases_.has_next() &&
                       runs_in_clock_ + 1 < leases_.runs_per_clock();
  return goes_on ? clock_ - 1 : clock_;
}

void JobLoop::Impl::Push(absl::Time now, std::vector<ComputedPiece> computed) {
  std::vector<GradientPiece> pieces;
  for (ComputedPiece& piece : computed) {
    pieces.push_back({std::move(piece.piece), std::move(piece.gradient)});
  }
  // Beside an exchange of this round, or what watches for its end.
  if (session.busy()) {
    if (phase_ != Phase::kExchanging) Enter(Phase::kExchanging);
    session.AddPieces(now, versions_[0], std::move(pieces));
    if (job_.speculates()) session.OfferHelp(now);
    return;
  }
  ExchangeArgs args;
  args.pieces = std::move(pieces);
  args.base_versions = versions_;
  if (job_.has_rounds()) {
    args.clock = versions_[0];
    args.offers_help = job_.speculates();
  } else {
    if (!push_clock_.has_value()) push_clock_ = ClockOfPush();
    args.clock = *push_clock_;
    args.square_norm = computed[0].square_norm;
  }
  Enter(Phase::kExchanging);
  session.BeginExchange(now, std::move(args));
}

// Has the parameters at hand evaluated if they end an epoch and this is the first worker. False:
// the former evaluation must end first, so that none is left out and no more than one is held.
bool JobLoop::Impl::EvaluateEpoch(uint64_t next_shard) {
  const uint64_t shards_per_epoch = job_.shards_per_epoch();
  const uint64_t epoch = next_shard / shards_per_epoch;
  // A quorum may have begun the epoch without this worker.
  const bool begins = job_.has_rounds() && next_shard % shards_per_epoch == 0;
  const bool entered = begins || (entered_epoch_.has_value() && epoch > *entered_epoch_);
  const bool is_mine = job_.rank() == 0 && job_.directive().facts().eval_samples() > 0;
  if (entered && is_mine && evaluations.IsDue(epoch)) {
    if (evaluations.is_open()) return false;
    Evaluate(static_cast<uint32_t>(epoch), false);
  }
  entered_epoch_ = std::max(epoch, entered_epoch_.value_or(0));
  return true;
}

void JobLoop::Impl::EvaluateFinal() {
  Enter(Phase::kFinalEvaluation);
  if (!evaluations.is_open()) Evaluate(job_.directive().spec().train().epochs(), true);
}

void JobLoop::Impl::Evaluate(uint32_t epoch, bool final) {
  EvaluateRequest request;
  request.parameters = parameters_;
  request.epoch = epoch;
  request.version = *std::min_element(versions_.begin(), versions_.end());
  request.final = final;
  evaluations.Ask(std::move(request));
}

}  // namespace paceline
