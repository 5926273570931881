// The numbers of one job on one worker: its samples, its model, gradients of data shards.
//
// Shapes   Parameters and gradients are the job's flat vector (common/job/parameters.h).
// Errors   Create: what the data readers and the model say of the spec. Compute and Evaluate: what
//          the model says; Cancelled: `go_on` said no; OutOfRange: a training loss that is not finite. (A gradient that is not
//          finite is an answer: the servers refuse it.)
// Threads  One thread at a time.
#ifndef PACELINE_WORKER_AGENT_TRAINER_H_
#define PACELINE_WORKER_AGENT_TRAINER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "common/job/parameters.h"
#include "common/tensor/block_pool.h"
#include "kernels/backend.h"
#include "proto/control.pb.h"
#include "proto/job.pb.h"
#include "worker/data/load_data.h"
#include "worker/loop/job_loop.h"
#include "worker/loop/merge.h"
#include "worker/model/model.h"

namespace paceline {

class Trainer {
 public:
  // Reads the data and builds the model of `spec`, whose defaults are filled in.
  static absl::StatusOr<std::unique_ptr<Trainer>> Create(const v1::JobSpec& spec,
                                                         const std::string& worker_id,
                                                         kernels::BackendChoice backend);

  // Of the data, with the signature of the kernels.
  const v1::DatasetFacts& facts() const { return facts_; }

  // Asks `go_on` before each data shard whether its sums are still of use. `samples` counts those
  // gone through.
  absl::StatusOr<std::vector<ComputedPiece>> Compute(const ComputeRequest& request,
                                                     const std::function<bool()>& go_on,
                                                     uint64_t* samples);
  absl::StatusOr<v1::Evaluation> Evaluate(const EvaluateRequest& request);

 private:
  Trainer(const v1::JobSpec& spec, const std::string& worker_id, LoadedData data);

  absl::Status UseParameters(const BlockRef& parameters);
  Batch Gather(const Dataset& dataset, absl::Span<const uint64_t> indices);
  absl::Status LeafGradient(uint64_t ordinal, absl::Span<float> gradient, LeafTotals* totals);

  const v1::JobSpec spec_;
  const LoadedData data_;
  const ShardWeights weights_;
  v1::DatasetFacts facts_;
  std::vector<ParameterInfo> parameters_;
  std::unique_ptr<Model> model_;

  BlockRef current_;  // What the model's parameters were last set from.
  BlockPool blocks_;
  std::vector<uint64_t> indices_;
  std::vector<float> features_;
  std::vector<float> labels_;
  std::vector<float> outputs_;
};

}  // namespace paceline

#endif  // PACELINE_WORKER_AGENT_TRAINER_H_
