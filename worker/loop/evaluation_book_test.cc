#include "worker/loop/evaluation_book.h"

#include <catch2/catch.hpp>

namespace paceline {
namespace {

EvaluateRequest Of(uint32_t epoch, bool final) {
  EvaluateRequest request;
  request.epoch = epoch;
  request.version = 10 * epoch;
  request.final = final;
  return request;
}

TEST_CASE("an evaluation is asked for once and says what it is of") {
  EvaluationBook book;
  CHECK(book.IsDue(1));
  book.Ask(Of(1, false));
  CHECK_FALSE(book.IsDue(1));
  const std::optional<EvaluateRequest> request = book.TakeRequest();
  REQUIRE(request.has_value());
  CHECK_FALSE(book.TakeRequest().has_value());
  CHECK(book.is_open(request->id));
  CHECK_FALSE(book.is_open(request->id + 1));

  REQUIRE(book.OnAnswer(v1::Evaluation()).ok());

  CHECK_FALSE(book.is_open());
  v1::WorkerJobReport report;
  book.FillIn(false, &report);
  REQUIRE(report.evaluations_size() == 1);
  CHECK(report.evaluations(0).epoch() == 1);
  CHECK(report.evaluations(0).version() == 10);
}

TEST_CASE("when the job goes on, the evaluation of its end is forgotten, made or open") {
  EvaluationBook book;
  book.Ask(Of(3, true));
  REQUIRE(book.OnAnswer(v1::Evaluation()).ok());
  book.ForgetFinal();
  CHECK_FALSE(book.has_final());

  book.Ask(Of(3, true));
  book.ForgetFinal();
  CHECK(book.is_open());
  REQUIRE(book.OnAnswer(v1::Evaluation()).ok());
  CHECK_FALSE(book.is_open());
  CHECK_FALSE(book.has_final());

  book.Ask(Of(3, true));
  REQUIRE(book.OnAnswer(v1::Evaluation()).ok());
  CHECK(book.has_final());
}

TEST_CASE("what was reported goes, what came later and the final one stay") {
  EvaluationBook book;
  book.Ask(Of(1, false));
  REQUIRE(book.OnAnswer(v1::Evaluation()).ok());
  v1::WorkerJobReport report;
  book.FillIn(true, &report);
  book.Ask(Of(2, false));
  REQUIRE(book.OnAnswer(v1::Evaluation()).ok());
  book.Ask(Of(2, true));
  REQUIRE(book.OnAnswer(v1::Evaluation()).ok());

  book.OnReported(report);

  CHECK(book.has_final());
  v1::WorkerJobReport rest;
  book.FillIn(true, &rest);
  REQUIRE(rest.evaluations_size() == 2);
  CHECK(rest.evaluations(0).epoch() == 2);
  CHECK(rest.evaluations(1).final());
  book.OnReported(rest);
  v1::WorkerJobReport last;
  book.FillIn(true, &last);
  CHECK(last.evaluations_size() == 1);
}

TEST_CASE("an evaluation that fails is not reported") {
  EvaluationBook book;
  book.Ask(Of(1, false));

  CHECK(book.OnAnswer(absl::DataLossError("unreadable")) == absl::DataLossError("unreadable"));

  CHECK_FALSE(book.is_open());
  v1::WorkerJobReport report;
  book.FillIn(true, &report);
  CHECK(report.evaluations().empty());
}

}  // namespace
}  // namespace paceline
