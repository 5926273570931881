#include "worker/model/metrics.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

namespace paceline {
namespace {

using Values = std::vector<float>;

v1::Evaluation Filled(const Metrics& metrics, double loss) {
  v1::Evaluation evaluation;
  evaluation.set_loss(loss);
  metrics.FillIn(&evaluation);
  return evaluation;
}

TEST_CASE("classes are counted by label and prediction, and F1 is their mean") {
  Metrics metrics(v1::ModelSpec::SOFTMAX_CROSS_ENTROPY, 4);
  // Predictions 0, 1, 1, 1 and, the first of equals, 0; class 3 is neither there nor predicted.
  metrics.Add(Values{9, 0, 0, 0, 0, 9, 0, 0, 0, 9, 0, 0}, Values{0, 1, 2});
  metrics.Add(Values{0, 9, 0, 0, 1, 1, 0, 0}, Values{1, 1});

  const v1::Evaluation e = Filled(metrics, 0.5);

  CHECK(std::vector<uint64_t>(e.confusion().begin(), e.confusion().end()) ==
        std::vector<uint64_t>{1, 0, 0, 0, 1, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0});
  // 2 * 1 / (1 + 2), 2 * 2 / (3 + 3), 0 / (1 + 0).
  CHECK(e.macro_f1() == Approx((2.0 / 3 + 4.0 / 6 + 0) / 3));
  CHECK(e.perplexity() == Approx(std::exp(0.5)));
  CHECK_FALSE(e.has_auc());
  CHECK_FALSE(e.has_rmse());
}

TEST_CASE("the confusion of many classes is left out") {
  CHECK(Filled(Metrics(v1::ModelSpec::SOFTMAX_CROSS_ENTROPY, 33), 1).confusion().empty());
  Metrics many(v1::ModelSpec::SOFTMAX_CROSS_ENTROPY, 33);
  many.Add(Values(33), Values{7});
  CHECK(Filled(many, 1).confusion().empty());
  CHECK(Filled(many, 1).has_macro_f1());
}

TEST_CASE("calibration is the distance of hits from confidence, bin by bin") {
  Metrics metrics(v1::ModelSpec::SIGMOID_CROSS_ENTROPY, 1);
  // sigmoid(2) = 0.8808, three times, two of them right; sigmoid(-4): 0.9820 for 0, right.
  metrics.Add(Values{2, 2, 2, -4}, Values{1, 0, 1, 0});

  const double right = 1 / (1 + std::exp(-4.0)), shared = 1 / (1 + std::exp(-2.0));
  CHECK(Filled(metrics, 1).calibration_error() == Approx(((3 * shared - 2) + (1 - right)) / 4));
}

TEST_CASE("AUC is the chance that a 1 is above a 0, equal outputs counting half") {
  Metrics metrics(v1::ModelSpec::SIGMOID_CROSS_ENTROPY, 1);
  metrics.Add(Values{0.1f, 0.4f, 0.4f, 0.8f, -3}, Values{0, 0, 1, 1, 1});

  // Six pairs: 0.4 over 0.1, 0.4 with 0.4 half, 0.8 over both, -3 over none.
  CHECK(Filled(metrics, 1).auc() == Approx(3.5 / 6));
  CHECK(Filled(metrics, 1).confusion_size() == 4);
  CHECK_FALSE(Filled(metrics, 1).has_perplexity());
}

TEST_CASE("AUC is absent without both labels or with an output that is no number") {
  Metrics ones(v1::ModelSpec::SIGMOID_CROSS_ENTROPY, 1);
  ones.Add(Values{1, 2}, Values{1, 1});
  CHECK_FALSE(Filled(ones, 1).has_auc());
  CHECK(Filled(ones, 1).has_macro_f1());

  Metrics nan(v1::ModelSpec::SIGMOID_CROSS_ENTROPY, 1);
  nan.Add(Values{1, std::numeric_limits<float>::quiet_NaN()}, Values{1, 0});
  CHECK_FALSE(Filled(nan, 1).has_auc());
}

TEST_CASE("mse has the root of its loss and nothing of classes") {
  Metrics metrics(v1::ModelSpec::MSE, 1);
  metrics.Add(Values{1, 2}, Values{0.5f, -7});

  const v1::Evaluation e = Filled(metrics, 6.25);

  CHECK(e.rmse() == 2.5);
  CHECK_FALSE(e.has_macro_f1());
  CHECK_FALSE(e.has_calibration_error());
  CHECK_FALSE(e.has_perplexity());
  CHECK(e.confusion().empty());
}

}  // namespace
}  // namespace paceline
