// The evaluations that one worker is asked for, makes and reports.
//
// One is made at a time. What was made stays until the coordinator has taken it; the final one is
// told again and again, because a coordinator that restarts asks again.
//
// Threads  One object, one thread.
#ifndef PACELINE_WORKER_LOOP_EVALUATION_BOOK_H_
#define PACELINE_WORKER_LOOP_EVALUATION_BOOK_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/tensor/block.h"
#include "proto/control.pb.h"

namespace paceline {

// Effect: evaluate `parameters` on the job's evaluation samples. The answer holds loss, accuracy,
// the other metrics of the loss and samples (all absent or 0 if there are none) and, for `final`,
// weights_sha256.
struct EvaluateRequest {
  uint64_t id = 0;
  BlockRef parameters;
  uint32_t epoch = 0;
  uint64_t version = 0;
  bool final = false;
};

class EvaluationBook {
 public:
  // Whether an epoch later than those evaluated has ended with `epoch` of them.
  bool IsDue(uint64_t epoch) const { return epoch > evaluated_epoch_; }

  // A request, or that one, is with the shell.
  bool is_open() const { return open_.has_value(); }
  bool is_open(uint64_t id) const { return open_.has_value() && open_->id == id; }
  uint32_t open_epoch() const { return open_->epoch; }

  // Makes `request` the open one, under an id of its own. None may be open.
  void Ask(EvaluateRequest request);

  // The request to send, once.
  std::optional<EvaluateRequest> TakeRequest();

  // The answer to the open request. The answer's own error comes back.
  absl::Status OnAnswer(absl::StatusOr<v1::Evaluation> evaluation);

  bool has_final() const { return final_.has_value(); }

  // The job goes on: what was its end is not any more. An open request for that is still answered,
  // and its answer dropped.
  void ForgetFinal();

  // Adds what is to be reported.
  void FillIn(bool with_final, v1::WorkerJobReport* report) const;

  // The coordinator has taken `report`, which FillIn filled.
  void OnReported(const v1::WorkerJobReport& report);

 private:
  uint64_t next_id_ = 1;
  uint64_t evaluated_epoch_ = 0;
  std::optional<EvaluateRequest> open_;
  bool drops_open_ = false;
  std::optional<EvaluateRequest> to_send_;
  std::vector<v1::Evaluation> made_;
  std::optional<v1::Evaluation> final_;
};

}  // namespace paceline

#endif  // PACELINE_WORKER_LOOP_EVALUATION_BOOK_H_
