// JobLoop's inside: where the loop is, and its steps (job_loop_steps.cc) between events
// (job_loop.cc).
//
// Threads  One object, one thread.
#ifndef PACELINE_WORKER_LOOP_JOB_LOOP_IMPL_H_
#define PACELINE_WORKER_LOOP_JOB_LOOP_IMPL_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "client/retry.h"
#include "client/session.h"
#include "common/base/random.h"
#include "common/job/round_plan.h"
#include "common/tensor/block.h"
#include "proto/control.pb.h"
#include "worker/loop/assignment.h"
#include "worker/loop/evaluation_book.h"
#include "worker/loop/job_loop.h"
#include "worker/loop/lease_book.h"
#include "worker/loop/merge.h"
#include "worker/loop/round_cover.h"
#include "worker/loop/work_times.h"

namespace paceline {

class JobLoop::Impl {
 public:
  Impl(v1::WorkerIdentity worker, JobLoopOptions options)
      : session(worker, options.session),
        worker_(worker),
        leases_(options.leases, Backoff(Jitter(options, "lease"), options.session.backoff)),
        pauses_(Jitter(options, "pause"), options.session.backoff),
        stale_after_(options.leases.retry),
        watch_after_(options.watch_after),
        job_(std::move(worker)) {}

  void OnDirective(absl::Time now, const v1::JobDirective& directive);
  void OnCallDone(absl::Time now, uint64_t id, CallResult result);
  void OnComputed(absl::Time now, uint64_t id, absl::StatusOr<std::vector<ComputedPiece>> pieces);
  void OnAbandoned(absl::Time now, uint64_t id, uint64_t samples);
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
  std::optional<uint64_t> abandoned;
  std::optional<LeaseCall> lease;

 private:
  enum class Phase {
    kIdle,             // Nothing asked: until a directive asks something.
    kPausing,          // A short rest before starting over: until resume_at_.
    kReading,          // A Pull: until its result.
    kGrant,            // Rounds: the next one may not begin yet: until a directive grants it.
    kLease,            // ssp, async: no run in hand: until a lease is answered.
    kEpochEvaluation,  // The former epoch is still being evaluated: until that ends.
    kComputing,        // Until OnComputed; in sync until the round is over, if that is earlier.
    kExchanging,       // Until the Session's result.
    kFinalEvaluation,  // Until OnEvaluated.
    kBroken,           // error_ says why: until the directive is gone.
  };

  struct OpenCompute {
    uint64_t id = 0;
    uint64_t stage = 0;
    bool abandoned = false;
  };

  RandomStream Jitter(const JobLoopOptions& options, const char* purpose) const {
    return RandomStream(options.session.seed, absl::StrCat(purpose, "/", worker_.id()));
  }

  bool leasing() const {
    return job_.target() == Target::kTrain && !job_.has_rounds() && phase_ != Phase::kBroken;
  }

  // job_loop_steps.cc: what it does next.
  void Restart(absl::Time now);
  void Enter(Phase phase);
  void Pause(absl::Time now);
  void Break(const absl::Status& status);
  void BeginRead(absl::Time now);
  void BeginRound(absl::Time now);
  void BeginRun(absl::Time now);
  void Continue(absl::Time now);
  void CoverRoster();
  void Help();
  void Watch(absl::Time now);
  void RequestCompute(std::vector<ComputePiece> pieces);
  uint64_t ClockOfPush() const;
  void Push(absl::Time now, std::vector<ComputedPiece> pieces);
  bool EvaluateEpoch(uint64_t next_shard);
  void EvaluateFinal();
  void Evaluate(uint32_t epoch, bool final);

  // job_loop.cc: what comes of it.
  void OnOperation(absl::Time now, OperationResult result);
  void OnExchanged(absl::Time now);
  void Follow(absl::Time now);
  absl::Time WatchAt() const;
  WorkTimes::Kind TimeKind() const;

  const v1::WorkerIdentity worker_;
  LeaseBook leases_;
  Backoff pauses_;
  const absl::Duration stale_after_;  // Parameters held without work for longer are read anew.
  const absl::Duration watch_after_;

  Assignment job_;
  std::optional<WorkPlan> plan_;

  // Where the loop is. Computations of an earlier stage are of no use any more.
  Phase phase_ = Phase::kIdle;
  uint64_t stage_ = 0;
  absl::Time phase_began_;
  absl::Duration waited_before_;  // When the phase began.
  absl::Time resume_at_;
  absl::Status error_;
  BlockRef parameters_;
  std::vector<uint64_t> versions_;
  RoundCover cover_;                    // Of the present round.
  uint64_t clock_ = 0;                  // ssp, async: the iteration under way.
  uint64_t runs_in_clock_ = 0;          // ssp: pushes of it that are done.
  uint64_t read_clock_ = 0;             // ssp: the clock that parameters_ may be used at.
  std::optional<uint64_t> push_clock_;  // The front run's, once it has been pushed.

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

}  // namespace paceline

#endif  // PACELINE_WORKER_LOOP_JOB_LOOP_IMPL_H_
