// Kingma & Ba 2015, "Adam", arXiv:1412.6980, Algorithm 1.
#include <utility>

#include "common/base/status_macros.h"
#include "server/optimizer/moments.h"
#include "server/optimizer/range_check.h"
#include "server/optimizer/rule_optimizer.h"
#include "server/optimizer/rules.h"

namespace paceline {
namespace {

struct AdamElement {
  static constexpr int kSlots = 2;
  Moments moments;  // Their gain is the learning rate.

  PACELINE_INLINE float operator()(float g, float p, float& m, float& v) const {
    return p - moments.Direction(g, m, v);
  }
};

struct AdamRule : ZeroSlots {
  static constexpr int kSlots = 2;
  static constexpr bool kCoupledDecay = true;
  MomentRates rates;

  AdamElement At(const RuleSettings& settings, int64_t step) const {
    return {rates.At(step, rates.learning_rate * settings.schedule.Factor(step))};
  }
};

}  // namespace

OptimizerOr CreateAdam(const v1::AdamSpec& spec, RuleSettings settings) {
  RangeCheck check("optimizer.adam");
  AdamRule rule;
  rule.rates = CheckMomentRates(spec, &check);
  RETURN_IF_ERROR(check.status());
  return MakeElementwise(rule, std::move(settings));
}

}  // namespace paceline
