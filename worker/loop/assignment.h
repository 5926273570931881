// What the newest directive of a job asks of one worker.
//
// Threads  One object, one thread.
#ifndef PACELINE_WORKER_LOOP_ASSIGNMENT_H_
#define PACELINE_WORKER_LOOP_ASSIGNMENT_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "common/job/job_work.h"
#include "common/job/round_plan.h"
#include "proto/control.pb.h"

namespace paceline {

enum class Target { kNothing, kTrain, kEvaluate };

class Assignment {
 public:
  explicit Assignment(v1::WorkerIdentity worker);

  // Takes over `directive`, but for a roster older than the one known. `is_placed`: it is known
  // where the partitions are. True: the work asked for is another than before (of another target or
  // segment), or there was none.
  bool Update(const v1::JobDirective& directive, bool is_placed);

  const v1::JobDirective& directive() const { return directive_; }
  Target target() const { return target_; }

  // This worker's place among the roster's members, valid with kTrain.
  uint32_t rank() const { return rank_; }
  uint32_t workers() const { return static_cast<uint32_t>(directive_.roster().members_size()); }
  uint64_t start_clock() const { return start_clock_; }

  bool has_rounds() const { return HasRounds(directive_.segment().consistency()); }
  bool is_ssp() const { return directive_.segment().consistency().has_ssp(); }

  // sync: whether workers that wait compute what a late round lacks as well. Gradients must not
  // depend on who computes them.
  bool speculates() const;

  // The segment's runs. InvalidArgument: the directive's spec, facts and segment do not make any.
  absl::StatusOr<WorkPlan> Plan() const;

  // Data shards in one epoch; the plan must be valid.
  uint64_t shards_per_epoch() const;

 private:
  void FindSelf();
  Target FindTarget(bool is_placed) const;

  const v1::WorkerIdentity worker_;
  v1::JobDirective directive_;
  Target target_ = Target::kNothing;
  uint32_t rank_ = 0;
  uint64_t start_clock_ = 0;
};

}  // namespace paceline

#endif  // PACELINE_WORKER_LOOP_ASSIGNMENT_H_
