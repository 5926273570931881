// McMahan et al. 2013, "Ad Click Prediction: a View from the Trenches", Algorithm 1.
//
// With alpha_t = learning_rate * factor(t), n the sum of g^2 and the strength
// 1 / eta_t = (beta + sqrt(n_t)) / alpha_t, a step is
//   sigma = 1 / eta_t - 1 / eta_(t-1);  z += g - sigma p;
//   p = 0 if |z| <= l1, else -(z - sign(z) l1) / (1 / eta_t + l2).
// For a constant rate sigma is the paper's (sqrt(n_t) - sqrt(n_(t-1))) / alpha. Under a schedule
// the change of alpha is part of it, so that a parameter without gradient stays where it is.
//
// The paper starts at p = 0. Here z starts so that the third line gives the initial parameter back:
// z_0 = -p_0 (beta / alpha_1 + l2) - sign(p_0) l1. Where beta and l2 are both 0 nothing holds p
// before its first gradient: it keeps its value until then. A rate below 1e-20 counts as 1e-20,
// which moves nothing: a schedule may end at 0.
#include <algorithm>
#include <cmath>
#include <utility>

#include "common/base/status_macros.h"
#include "server/optimizer/range_check.h"
#include "server/optimizer/rule_optimizer.h"
#include "server/optimizer/rules.h"

namespace paceline {
namespace {

constexpr double kRateMin = 1e-20;

struct FtrlElement {
  static constexpr int kSlots = 2;
  float strength;           // 1 / alpha_t.
  float previous_strength;  // 1 / alpha_(t-1).
  float beta_strength;      // beta / alpha_t.
  float beta_drift;         // beta (1 / alpha_t - 1 / alpha_(t-1)).
  float l1;
  float l2;

  PACELINE_INLINE float operator()(float g, float p, float& z, float& n) const {
    const float squares = n + g * g;
    const float root = std::sqrt(squares);
    const float sigma = (root * strength - std::sqrt(n) * previous_strength) + beta_drift;
    n = squares;
    z += g - sigma * p;
    const float divisor = (beta_strength + root * strength) + l2;
    // Written so that a z that is not a number makes p one too.
    const float excess = std::fabs(z) - l1;
    const float moved = -std::copysign(excess, z) / divisor;
    const float shrunk = excess <= 0 ? 0.0f : moved;
    return divisor == 0 ? p : shrunk;
  }
};

struct FtrlRule {
  static constexpr int kSlots = 2;
  static constexpr bool kCoupledDecay = true;
  double learning_rate = 0;
  double beta = 0;
  float l1 = 0;
  float l2 = 0;

  double RateAt(const RuleSettings& settings, int64_t step) const {
    return std::max(kRateMin, learning_rate * settings.schedule.Factor(step));
  }

  void InitializeSlots(const RuleSettings& settings, absl::Span<const float> initial,
                       Slots slots) const {
    const float divisor = static_cast<float>(beta / RateAt(settings, 1)) + l2;
    for (size_t i = 0; i < initial.size(); ++i) {
      const float p = initial[i];
      const float threshold = p == 0 ? 0.0f : std::copysign(l1, p);
      slots[0][i] = -(p * divisor + threshold);
      slots[1][i] = 0;
    }
  }

  FtrlElement At(const RuleSettings& settings, int64_t step) const {
    const double strength = 1 / RateAt(settings, step);
    const double previous = 1 / RateAt(settings, std::max<int64_t>(step - 1, 1));
    return {static_cast<float>(strength),
            static_cast<float>(previous),
            static_cast<float>(beta * strength),
            static_cast<float>(beta * (strength - previous)),
            l1,
            l2};
  }
};

}  // namespace

OptimizerOr CreateFtrl(const v1::FtrlSpec& spec, RuleSettings settings) {
  RangeCheck check("optimizer.ftrl");
  FtrlRule rule;
  rule.learning_rate =
      check.Positive("learning_rate", spec.has_learning_rate(), spec.learning_rate());
  rule.beta = check.NonNegative("beta", spec.has_beta(), spec.beta());
  rule.l1 = check.NonNegative("l1", spec.has_l1(), spec.l1());
  rule.l2 = check.NonNegative("l2", spec.has_l2(), spec.l2());
  RETURN_IF_ERROR(check.status());
  return MakeElementwise(rule, std::move(settings));
}

}  // namespace paceline
