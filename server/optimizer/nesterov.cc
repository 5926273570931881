// Sutskever et al. 2013, "On the importance of initialization and momentum in deep learning", in
// the form of torch.optim.SGD with nesterov.
#include <utility>

#include "common/base/status_macros.h"
#include "server/optimizer/range_check.h"
#include "server/optimizer/rule_optimizer.h"
#include "server/optimizer/rules.h"

namespace paceline {
namespace {

struct NesterovElement {
  static constexpr int kSlots = 1;
  float rate;
  float mu;

  PACELINE_INLINE float operator()(float g, float p, float& v) const {
    v = mu * v + g;
    return p - rate * (g + mu * v);
  }
};

struct NesterovRule : ZeroSlots {
  static constexpr int kSlots = 1;
  static constexpr bool kCoupledDecay = true;
  double learning_rate = 0;
  float momentum = 0;

  NesterovElement At(const RuleSettings& settings, int64_t step) const {
    return {static_cast<float>(learning_rate * settings.schedule.Factor(step)), momentum};
  }
};

}  // namespace

OptimizerOr CreateNesterov(const v1::NesterovSpec& spec, RuleSettings settings) {
  RangeCheck check("optimizer.nesterov");
  NesterovRule rule;
  rule.learning_rate =
      check.Positive("learning_rate", spec.has_learning_rate(), spec.learning_rate());
  rule.momentum = check.BetweenZeroAndOne("momentum", spec.has_momentum(), spec.momentum());
  RETURN_IF_ERROR(check.status());
  return MakeElementwise(rule, std::move(settings));
}

}  // namespace paceline
