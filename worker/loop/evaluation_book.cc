#include "worker/loop/evaluation_book.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "common/base/check.h"

namespace paceline {

void EvaluationBook::Ask(EvaluateRequest request) {
  PACELINE_CHECK(!open_.has_value());
  request.id = next_id_++;
  if (!request.final) evaluated_epoch_ = request.epoch;
  open_ = request;
  to_send_ = std::move(request);
}

std::optional<EvaluateRequest> EvaluationBook::TakeRequest() {
  return std::exchange(to_send_, std::nullopt);
}

absl::Status EvaluationBook::OnAnswer(absl::StatusOr<v1::Evaluation> evaluation) {
  PACELINE_CHECK(open_.has_value());
  const EvaluateRequest request = *std::exchange(open_, std::nullopt);
  const bool is_dropped = std::exchange(drops_open_, false);
  if (!evaluation.ok()) return evaluation.status();
  if (is_dropped) return absl::OkStatus();
  evaluation->set_epoch(request.epoch);
  evaluation->set_version(request.version);
  evaluation->set_final(request.final);
  if (request.final) {
    final_ = *std::move(evaluation);
  } else {
    made_.push_back(*std::move(evaluation));
  }
  return absl::OkStatus();
}

void EvaluationBook::ForgetFinal() {
  final_.reset();
  drops_open_ = open_.has_value() && open_->final;
}

void EvaluationBook::FillIn(bool with_final, v1::WorkerJobReport* report) const {
  for (const v1::Evaluation& evaluation : made_) *report->add_evaluations() = evaluation;
  if (with_final && final_.has_value()) *report->add_evaluations() = *final_;
}

void EvaluationBook::OnReported(const v1::WorkerJobReport& report) {
  const size_t taken = static_cast<size_t>(
      std::count_if(report.evaluations().begin(), report.evaluations().end(),
                    [](const v1::Evaluation& evaluation) { return !evaluation.final(); }));
  made_.erase(made_.begin(), made_.begin() + std::min(taken, made_.size()));
}

}  // namespace paceline
