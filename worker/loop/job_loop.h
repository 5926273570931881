// What one worker does for one job: which data shards it computes on which parameters, what it
// pushes, reads, leases and evaluates. It decides; its shell computes, calls and keeps time.
//
// Events (On...) carry the time; after each the shell empties all the effects (Take...) and arms a
// timer for NextTick. The shell promises:
//   - each ParameterCall that is not in TakeCancels is answered by one OnCallDone, at the latest
//     when its timeout is over; an answer to one that was cancelled is ignored;
//   - each ComputeRequest, EvaluateRequest and LeaseCall is answered by exactly one OnComputed (or
//     OnAbandoned, if it was taken back in TakeAbandoned), OnEvaluated or OnLease. At most one of
//     each kind is open at a time; a ComputeRequest and an EvaluateRequest may be open together,
//     and hold their own immutable parameters;
//   - every Report that the coordinator has taken is handed back to OnReported.
//
// Errors   What ends the work for good (data shards refused as INVALID_ARGUMENT, a failed
//          computation, a placement that does not fit) is in Report().error, and the loop waits for
//          directives only. Everything else is repeated.
// Threads  One object, one thread.
// Source   docs/protocol.md.
#ifndef PACELINE_WORKER_LOOP_JOB_LOOP_H_
#define PACELINE_WORKER_LOOP_JOB_LOOP_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/session.h"
#include "common/tensor/block.h"
#include "proto/control.pb.h"
#include "worker/loop/evaluation_book.h"
#include "worker/loop/lease_book.h"
#include "worker/loop/merge.h"

namespace paceline {

struct JobLoopOptions {
  SessionOptions session;
  LeaseBookOptions leases;
  // Who computes for a round for longer than this asks at the same time for the version that it
  // makes, so as to hear if it is over.
  absl::Duration watch_after = absl::Milliseconds(50);
};

// Effect: sum these pieces (SumPiece), each over consecutive data shards, on `parameters`.
struct ComputeRequest {
  uint64_t id = 0;
  std::vector<ComputePiece> pieces;
  BlockRef parameters;       // The whole model, flat.
  bool square_norm = false;  // Fill ComputedPiece::square_norm.
};

class JobLoop {
 public:
  JobLoop(v1::WorkerIdentity worker, JobLoopOptions options);
  ~JobLoop();
  JobLoop(const JobLoop&) = delete;
  JobLoop& operator=(const JobLoop&) = delete;

  // Events. The first is a directive. An answer with an id that is not open is ignored.
  void OnDirective(absl::Time now, const v1::JobDirective& directive);
  void OnCallDone(absl::Time now, uint64_t id, CallResult result);
  void OnComputed(absl::Time now, uint64_t id, absl::StatusOr<std::vector<ComputedPiece>> pieces);
  // It was ended early, after so many samples.
  void OnAbandoned(absl::Time now, uint64_t id, uint64_t samples);
  void OnEvaluated(absl::Time now, uint64_t id, absl::StatusOr<v1::Evaluation> evaluation);
  void OnLease(absl::Time now, uint64_t id, absl::StatusOr<v1::LeaseReply> reply);
  void OnReported(const v1::WorkerJobReport& report);
  void OnTick(absl::Time now);

  // When OnTick has something to do; InfiniteFuture: not before another event.
  absl::Time NextTick() const;

  // Effects since the last take.
  std::vector<ParameterCall> TakeCalls();
  std::vector<uint64_t> TakeCancels();
  std::optional<ComputeRequest> TakeCompute();
  // The open ComputeRequest whose sums are of no use any more: the sooner it ends the better.
  std::optional<uint64_t> TakeAbandoned();
  std::optional<EvaluateRequest> TakeEvaluate();
  std::optional<LeaseCall> TakeLease();

  // Everything but `facts`, as of `now`. Evaluations stay in it until OnReported, the final one
  // until the job has ended.
  v1::WorkerJobReport Report(absl::Time now) const;

  // What it is doing or waiting for, in a few words ("exchange of clock 12 with partitions 0, 3").
  std::string Doing() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace paceline

#endif  // PACELINE_WORKER_LOOP_JOB_LOOP_H_
