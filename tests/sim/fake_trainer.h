// A worker's numbers without a model: gradients that are exact in float32, whatever is added up in
// whatever order.
//
// Shapes   The mean gradient of data shard d of n is, at element i, 1 where i mod (n + 1) = d (its
//          own slots: no other data shard touches them), k * 2^-6 with |k| <= 8 where
//          i mod (n + 1) = n (the common slots), and 0 elsewhere.
// Threads  One thread at a time.
#ifndef PACELINE_TESTS_SIM_FAKE_TRAINER_H_
#define PACELINE_TESTS_SIM_FAKE_TRAINER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "common/job/parameters.h"
#include "common/tensor/block_pool.h"
#include "tests/sim/scenario.h"
#include "worker/loop/job_loop.h"
#include "worker/loop/merge.h"

namespace paceline::sim {

// The mean gradient of `shard` at common slot `element`. `salt` is 0, or what the parameters that
// it is computed on say.
float CommonGradient(uint64_t shard, uint64_t element, uint64_t salt);

class FakeTrainer {
 public:
  // `scenario` outlives the object.
  FakeTrainer(const Scenario* scenario, const std::string& worker_id);

  absl::StatusOr<std::vector<ComputedPiece>> Compute(const ComputeRequest& request);
  v1::Evaluation Evaluate(const EvaluateRequest& request) const;

 private:
  void Leaf(uint64_t shard, uint64_t salt, absl::Span<float> gradient) const;

  const Scenario* const scenario_;
  const ShardWeights weights_;
  const std::vector<ParameterInfo> parameters_;
  BlockPool blocks_;
};

}  // namespace paceline::sim

#endif  // PACELINE_TESTS_SIM_FAKE_TRAINER_H_
