#include "worker/loop/job_loop.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/retry.h"
#include "client/router.h"
#include "common/base/check.h"
#include "common/base/random.h"
#include "common/job/round_plan.h"
#include "worker/loop/assignment.h"
#include "worker/loop/round_cover.h"
#include "worker/loop/work_times.h"

namespace paceline {
namespace {

enum class Phase {
  kIdle,             // Nothing asked: until a directive asks something.
  kPausing,          // A short rest before starting over: until resume_at_.
  kReading,          // A Pull: until its result.
  kGrant,            // sync: the next round may not begin yet: until a directive grants it.
  kLease,            // ssp, async: no run in hand: until a lease is answered.
  kEpochEvaluation,  // The former epoch is still being evaluated: until that ends.
  kComputing,        // Until OnComputed.
  kExchanging,       // Until the Session's result.
  kFinalEvaluation,  // Until OnEvaluated.
  kBroken,           // error_ says why: until the directive is gone.
};

}  // namespace

class JobLoop::Impl {
 public:
  Impl(v1::WorkerIdentity worker, JobLoopOptions options)
      : session(worker, options.session),
        worker_(worker),
        leases_(options.leases, Backoff(Jitter(options, "lease"), options.session.backoff)),
        pauses_(Jitter(options, "pause"), options.session.backoff),
        stale_after_(options.leases.retry),
        job_(std::move(worker)) {}

  void OnDirective(absl::Time now, const v1::JobDirective& directive);
  void OnCallDone(absl::Time now, uint64_t id, CallResult result);
  void OnComputed(absl::Time now, uint64_t id, absl::StatusOr<std::vector<ComputedPiece>> pieces);
  void OnEvaluated(absl::Time now, uint64_t id, absl::StatusOr<v1::Evaluation> evaluation);
  void OnLease(absl::Time now, uint64_t id, absl::StatusOr<v1::LeaseReply> reply);
  void OnTick(absl::Time now);
  absl::Time NextTick() const;
  v1::WorkerJobReport Report(absl::Time now) const;
  std::string Doing() const;

  // What the outside takes from.
  Session session;
  EvaluationBook evaluations;
  std::optional<ComputeRequest> compute;
  std::optional<LeaseCall> lease;

 private:
  struct OpenCompute {
    uint64_t id = 0;
    uint64_t stage = 0;
  };

  RandomStream Jitter(const JobLoopOptions& options, const char* purpose) const {
    return RandomStream(options.session.seed, absl::StrCat(purpose, "/", worker_.id()));
  }

  bool leasing() const {
    return job_.target() == Target::kTrain && !job_.is_sync() && phase_ != Phase::kBroken;
  }

  // Steps.
  void Restart(absl::Time now);
  void Enter(Phase phase);
  void Pause(absl::Time now);
  void Break(const absl::Status& status);
  void BeginRead(absl::Time now);
  void BeginRound(absl::Time now);
  void BeginRun(absl::Time now);
  void Continue(absl::Time now);
  void CoverRoster();
  void RequestCompute(std::vector<ComputePiece> pieces);
  uint64_t ClockOfPush() const;
  void Push(absl::Time now, std::vector<ComputedPiece> pieces);
  bool EvaluateEpoch(uint64_t next_shard);
  void EvaluateFinal();
  void Evaluate(uint32_t epoch, bool final);

  // Results.
  void OnOperation(absl::Time now, OperationResult result);
  void OnExchanged(absl::Time now);
  void Follow(absl::Time now);
  WorkTimes::Kind TimeKind() const;

  const v1::WorkerIdentity worker_;
  LeaseBook leases_;
  Backoff pauses_;
  const absl::Duration stale_after_;  // Parameters held without work for longer are read anew.

  Assignment job_;
  std::optional<WorkPlan> plan_;

  // Where the loop is. Computations of an earlier stage are of no use any more.
  Phase phase_ = Phase::kIdle;
  uint64_t stage_ = 0;
  absl::Time phase_began_;
  absl::Time resume_at_;
  absl::Status error_;
  BlockRef parameters_;
  std::vector<uint64_t> versions_;
  RoundCover cover_;                    // sync: of the present round.
  uint64_t clock_ = 0;                  // ssp, async: the iteration under way.
  uint64_t runs_in_clock_ = 0;          // ssp: pushes of it that are done.
  uint64_t read_clock_ = 0;             // ssp: the clock that parameters_ may be used at.
  std::optional<uint64_t> push_clock_;  // The front run's, once it has been pushed.
  uint64_t pushed_samples_ = 0;         // In the exchange under way.

  // Requests to the shell.
  uint64_t next_id_ = 1;
  std::optional<ComputeRequest> wanted_compute_;
  std::optional<OpenCompute> open_compute_;
  std::optional<uint64_t> entered_epoch_;

  // The report.
  uint64_t reported_clock_ = 0;
  uint64_t samples_ = 0;
  WorkTimes times_;
};

// ---- Steps ----

void JobLoop::Impl::Enter(Phase phase) {
  phase_ = phase;
  phase_began_ = times_.counted();
}

// Begins what the directive asks, whatever was going on.
void JobLoop::Impl::Restart(absl::Time now) {
  session.Abandon();
  wanted_compute_.reset();
  ++stage_;
  push_clock_.reset();
  entered_epoch_.reset();
  times_.ForgetQuickest();
  Enter(Phase::kIdle);
  if (job_.target() == Target::kNothing) return;
  const absl::StatusOr<WorkPlan> plan = job_.Plan();
  if (!plan.ok()) {
    Break(plan.status());
    return;
  }
  plan_ = *plan;
  if (leasing()) {
    leases_.Begin(now, job_.directive().segment().index(), plan_->size());
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
  if (job_.target() == Target::kEvaluate && evaluations.has_final()) {
    Enter(Phase::kIdle);
    return;
  }
  ++stage_;
  PullArgs args;
  args.consistent = job_.target() == Target::kEvaluate || job_.is_sync();
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
  } else if (job_.is_sync()) {
    BeginRound(now);
  } else {
    BeginRun(now);
  }
}

// sync: all partitions are at one version, which says which round is next.
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
  pushed_samples_ = 0;
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

// sync: a roster that changed may have given this worker leaves that it has not computed.
void JobLoop::Impl::CoverRoster() {
  if (!job_.is_sync() || job_.target() != Target::kTrain || phase_ != Phase::kExchanging) return;
  if (wanted_compute_.has_value()) return;
  if (open_compute_.has_value() && open_compute_->stage == stage_) return;
  std::vector<ComputePiece> pieces = cover_.TakeMissing(job_.rank(), job_.workers());
  if (!pieces.empty()) RequestCompute(std::move(pieces));
}

void JobLoop::Impl::RequestCompute(std::vector<ComputePiece> pieces) {
  ComputeRequest request;
  request.pieces = std::move(pieces);
  request.parameters = parameters_;
  request.square_norm =
      !job_.is_sync() && job_.directive().spec().optimizer().has_clip_global_norm();
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
  uint64_t samples = 0;
  for (ComputedPiece& piece : computed) {
    samples += piece.piece.samples();
    pieces.push_back({std::move(piece.piece), std::move(piece.gradient)});
  }
  if (phase_ == Phase::kExchanging) {
    pushed_samples_ += samples;
    session.AddPieces(now, versions_[0], std::move(pieces));
    return;
  }
  ExchangeArgs args;
  args.pieces = std::move(pieces);
  args.base_versions = versions_;
  if (job_.is_sync()) {
    args.clock = versions_[0];
  } else {
    if (!push_clock_.has_value()) push_clock_ = ClockOfPush();
    args.clock = *push_clock_;
    args.square_norm = computed[0].square_norm;
  }
  pushed_samples_ = samples;
  Enter(Phase::kExchanging);
  session.BeginExchange(now, std::move(args));
}

// Has the parameters at hand evaluated if they end an epoch and this is the first worker. False:
// the former evaluation must end first, so that none is left out and no more than one is held.
bool JobLoop::Impl::EvaluateEpoch(uint64_t next_shard) {
  const uint64_t shards_per_epoch = job_.shards_per_epoch();
  const uint64_t epoch = next_shard / shards_per_epoch;
  const bool entered = job_.is_sync() ? next_shard % shards_per_epoch == 0
                                      : entered_epoch_.has_value() && epoch > *entered_epoch_;
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

// ---- Events ----

void JobLoop::Impl::OnDirective(absl::Time now, const v1::JobDirective& directive) {
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
  Follow(now);
}

void JobLoop::Impl::OnComputed(absl::Time now, uint64_t id,
                               absl::StatusOr<std::vector<ComputedPiece>> pieces) {
  times_.Count(now, TimeKind());
  if (!open_compute_.has_value() || open_compute_->id != id) return;
  const bool current = open_compute_->stage == stage_;
  open_compute_.reset();
  if (current && !pieces.ok()) {
    Break(pieces.status());
  } else if (current) {
    PACELINE_CHECK(!pieces->empty());
    Push(now, *std::move(pieces));
  }
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
  if (wanted_compute_.has_value() && !open_compute_.has_value()) {
    compute = std::exchange(wanted_compute_, std::nullopt);
    compute->id = next_id_++;
    open_compute_ = {compute->id, stage_};
  }
  if (leasing()) {
    if (std::optional<LeaseCall> call = leases_.Ask(now)) lease = call;
  }
}

void JobLoop::Impl::OnOperation(absl::Time now, OperationResult result) {
  const bool exchanged = phase_ == Phase::kExchanging;
  switch (RemedyFor(result.status.code())) {
    case Remedy::kNone:
      if (job_.target() == Target::kTrain) {
        times_.Transferred(now - phase_began_, exchanged && !job_.is_async());
      }
      pauses_.Reset();
      parameters_ = std::move(result.parameters);
      versions_ = std::move(result.versions);
      exchanged ? OnExchanged(now) : Continue(now);
      return;
    case Remedy::kRecompute:
      // A push that was too stale: its run is computed anew on what a read brings now.
      if (exchanged && !job_.is_sync()) {
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
  samples_ += pushed_samples_;
  if (job_.is_sync()) {
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
                          job_.is_sync() ? versions_[0] : push_clock_.value_or(clock_));
    case Phase::kExchanging:
      return absl::StrCat("exchange of clock ",
                          job_.is_sync() ? versions_[0] : push_clock_.value_or(clock_),
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
  return next;
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
std::optional<EvaluateRequest> JobLoop::TakeEvaluate() { return impl_->evaluations.TakeRequest(); }
std::optional<LeaseCall> JobLoop::TakeLease() { return std::exchange(impl_->lease, std::nullopt); }
v1::WorkerJobReport JobLoop::Report(absl::Time now) const { return impl_->Report(now); }
std::string JobLoop::Doing() const { return impl_->Doing(); }

}  // namespace paceline
