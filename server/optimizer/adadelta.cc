// Zeiler 2012, arXiv:1212.5701, Algorithm 1, with torch.optim.Adadelta's learning rate.
#include <cmath>
#include <utility>

#include "common/base/status_macros.h"
#include "server/optimizer/range_check.h"
#include "server/optimizer/rule_optimizer.h"
#include "server/optimizer/rules.h"

namespace paceline {
namespace {

struct AdadeltaElement {
  static constexpr int kSlots = 2;
  float rate;
  float rho;
  float one_minus_rho;
  float epsilon;

  // s: running mean of squared gradients; u: of squared moves.
  PACELINE_INLINE float operator()(float g, float p, float& s, float& u) const {
    s = rho * s + one_minus_rho * g * g;
    const float move = std::sqrt(u + epsilon) / std::sqrt(s + epsilon) * g;
    u = rho * u + one_minus_rho * move * move;
    return p - rate * move;
  }
};

struct AdadeltaRule : ZeroSlots {
  static constexpr int kSlots = 2;
  static constexpr bool kCoupledDecay = true;
  double learning_rate = 0;
  float rho = 0;
  float epsilon = 0;

  AdadeltaElement At(const RuleSettings& settings, int64_t step) const {
    return {static_cast<float>(learning_rate * settings.schedule.Factor(step)), rho, 1 - rho,
            epsilon};
  }
};

}  // namespace

OptimizerOr CreateAdadelta(const v1::AdadeltaSpec& spec, RuleSettings settings) {
  RangeCheck check("optimizer.adadelta");
  AdadeltaRule rule;
  rule.learning_rate =
      check.Positive("learning_rate", spec.has_learning_rate(), spec.learning_rate());
  rule.rho = check.BelowOne("rho", spec.has_rho(), spec.rho());
  rule.epsilon = check.Positive("epsilon", spec.has_epsilon(), spec.epsilon());
  RETURN_IF_ERROR(check.status());
  return MakeElementwise(rule, std::move(settings));
}

}  // namespace paceline
