// Loshchilov & Hutter 2019, "Decoupled Weight Decay Regularization", arXiv:1711.05101, Algorithm 2;
// as torch.optim.AdamW the decay is scaled by the learning rate.
#include <utility>

#include "common/base/status_macros.h"
#include "server/optimizer/moments.h"
#include "server/optimizer/range_check.h"
#include "server/optimizer/rule_optimizer.h"
#include "server/optimizer/rules.h"

namespace paceline {
namespace {

struct AdamwElement {
  static constexpr int kSlots = 2;
  Moments moments;  // Their gain is the learning rate.
  float decay;      // Learning rate times weight decay.

  PACELINE_INLINE float operator()(float g, float p, float& m, float& v) const {
    return p - (moments.Direction(g, m, v) + decay * p);
  }
};

struct AdamwRule : ZeroSlots {
  static constexpr int kSlots = 2;
  static constexpr bool kCoupledDecay = false;
  MomentRates rates;

  AdamwElement At(const RuleSettings& settings, int64_t step) const {
    const double rate = rates.learning_rate * settings.schedule.Factor(step);
    return {rates.At(step, rate), static_cast<float>(rate * settings.weight_decay)};
  }
};

}  // namespace

OptimizerOr CreateAdamw(const v1::AdamwSpec& spec, RuleSettings settings) {
  RangeCheck check("optimizer.adamw");
  AdamwRule rule;
  rule.rates = CheckMomentRates(spec, &check);
  RETURN_IF_ERROR(check.status());
  return MakeElementwise(rule, std::move(settings));
}

}  // namespace paceline
