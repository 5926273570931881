// Tieleman & Hinton 2012 (lecture 6.5), as torch.optim.RMSprop.
#include <cmath>
#include <utility>

#include "common/base/status_macros.h"
#include "server/optimizer/range_check.h"
#include "server/optimizer/rule_optimizer.h"
#include "server/optimizer/rules.h"

namespace paceline {
namespace {

struct RmspropElement {
  static constexpr int kSlots = 1;
  float rate;
  float alpha;
  float one_minus_alpha;
  float epsilon;

  PACELINE_INLINE float operator()(float g, float p, float& s) const {
    s = alpha * s + one_minus_alpha * g * g;
    return p - rate * g / (std::sqrt(s) + epsilon);
  }
};

struct RmspropRule : ZeroSlots {
  static constexpr int kSlots = 1;
  static constexpr bool kCoupledDecay = true;
  double learning_rate = 0;
  float alpha = 0;
  float epsilon = 0;

  RmspropElement At(const RuleSettings& settings, int64_t step) const {
    return {static_cast<float>(learning_rate * settings.schedule.Factor(step)), alpha, 1 - alpha,
            epsilon};
  }
};

}  // namespace

OptimizerOr CreateRmsprop(const v1::RmspropSpec& spec, RuleSettings settings) {
  RangeCheck check("optimizer.rmsprop");
  RmspropRule rule;
  rule.learning_rate =
      check.Positive("learning_rate", spec.has_learning_rate(), spec.learning_rate());
  rule.alpha = check.BelowOne("alpha", spec.has_alpha(), spec.alpha());
  rule.epsilon = check.Positive("epsilon", spec.has_epsilon(), spec.epsilon());
  RETURN_IF_ERROR(check.status());
  return MakeElementwise(rule, std::move(settings));
}

}  // namespace paceline
