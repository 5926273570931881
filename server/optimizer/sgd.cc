#include <utility>

#include "common/base/status_macros.h"
#include "server/optimizer/range_check.h"
#include "server/optimizer/rule_optimizer.h"
#include "server/optimizer/rules.h"

namespace paceline {
namespace {

struct SgdElement {
  static constexpr int kSlots = 0;
  float rate;

  PACELINE_INLINE float operator()(float g, float p) const { return p - rate * g; }
};

struct SgdRule : ZeroSlots {
  static constexpr int kSlots = 0;
  static constexpr bool kCoupledDecay = true;
  double learning_rate = 0;

  SgdElement At(const RuleSettings& settings, int64_t step) const {
    return {static_cast<float>(learning_rate * settings.schedule.Factor(step))};
  }
};

}  // namespace

OptimizerOr CreateSgd(const v1::SgdSpec& spec, RuleSettings settings) {
  RangeCheck check("optimizer.sgd");
  SgdRule rule;
  rule.learning_rate =
      check.Positive("learning_rate", spec.has_learning_rate(), spec.learning_rate());
  RETURN_IF_ERROR(check.status());
  return MakeElementwise(rule, std::move(settings));
}

}  // namespace paceline
