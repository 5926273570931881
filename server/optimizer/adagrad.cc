// Duchi et al. 2011, "Adaptive Subgradient Methods", the diagonal form.
#include <algorithm>
#include <cmath>
#include <utility>

#include "common/base/status_macros.h"
#include "server/optimizer/range_check.h"
#include "server/optimizer/rule_optimizer.h"
#include "server/optimizer/rules.h"

namespace paceline {
namespace {

struct AdagradElement {
  static constexpr int kSlots = 1;
  float rate;
  float epsilon;

  PACELINE_INLINE float operator()(float g, float p, float& s) const {
    s += g * g;
    return p - rate * g / (std::sqrt(s) + epsilon);
  }
};

struct AdagradRule {
  static constexpr int kSlots = 1;
  static constexpr bool kCoupledDecay = true;
  double learning_rate = 0;
  float initial_accumulator = 0;
  float epsilon = 0;

  void InitializeSlots(const RuleSettings&, absl::Span<const float>, Slots slots) const {
    std::fill(slots[0].begin(), slots[0].end(), initial_accumulator);
  }

  AdagradElement At(const RuleSettings& settings, int64_t step) const {
    return {static_cast<float>(learning_rate * settings.schedule.Factor(step)), epsilon};
  }
};

}  // namespace

OptimizerOr CreateAdagrad(const v1::AdagradSpec& spec, RuleSettings settings) {
  RangeCheck check("optimizer.adagrad");
  AdagradRule rule;
  rule.learning_rate =
      check.Positive("learning_rate", spec.has_learning_rate(), spec.learning_rate());
  rule.initial_accumulator = check.NonNegative(
      "initial_accumulator", spec.has_initial_accumulator(), spec.initial_accumulator());
  rule.epsilon = check.Positive("epsilon", spec.has_epsilon(), spec.epsilon());
  RETURN_IF_ERROR(check.status());
  return MakeElementwise(rule, std::move(settings));
}

}  // namespace paceline
