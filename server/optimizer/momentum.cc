// Polyak's heavy ball, as torch.optim.SGD with momentum.
#include <utility>

#include "common/base/status_macros.h"
#include "server/optimizer/range_check.h"
#include "server/optimizer/rule_optimizer.h"
#include "server/optimizer/rules.h"

namespace paceline {
namespace {

struct MomentumElement {
  static constexpr int kSlots = 1;
  float rate;
  float mu;

  PACELINE_INLINE float operator()(float g, float p, float& v) const {
    v = mu * v + g;
    return p - rate * v;
  }
};

struct MomentumRule : ZeroSlots {
  static constexpr int kSlots = 1;
  static constexpr bool kCoupledDecay = true;
  double learning_rate = 0;
  float momentum = 0;

  MomentumElement At(const RuleSettings& settings, int64_t step) const {
    return {static_cast<float>(learning_rate * settings.schedule.Factor(step)), momentum};
  }
};

}  // namespace

OptimizerOr CreateMomentum(const v1::MomentumSpec& spec, RuleSettings settings) {
  RangeCheck check("optimizer.momentum");
  MomentumRule rule;
  rule.learning_rate =
      check.Positive("learning_rate", spec.has_learning_rate(), spec.learning_rate());
  rule.momentum = check.BelowOne("momentum", spec.has_momentum(), spec.momentum());
  RETURN_IF_ERROR(check.status());
  return MakeElementwise(rule, std::move(settings));
}

}  // namespace paceline
