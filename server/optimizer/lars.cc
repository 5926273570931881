// You et al. 2017, "Large Batch Training of Convolutional Networks", arXiv:1708.03888, Algorithm 1:
// per segment, v = mu v + rate * trust * (g + weight_decay * p); p -= v, with
// trust = trust_coefficient |p| / (|g| + weight_decay |p| + epsilon), or 1 where |p| or |g| is 0.
// The norm of g is taken after gradient_scale and clip_value.
#include <algorithm>
#include <cmath>
#include <utility>

#include "common/base/status_macros.h"
#include "common/job/partitioning.h"
#include "common/tensor/square_sum.h"
#include "server/optimizer/range_check.h"
#include "server/optimizer/rule_optimizer.h"
#include "server/optimizer/rules.h"

namespace paceline {
namespace {

struct LarsElement {
  static constexpr int kSlots = 1;
  float rate;  // Learning rate times trust.
  float mu;

  PACELINE_INLINE float operator()(float g, float p, float& v) const {
    v = mu * v + rate * g;
    return p - v;
  }
};

// Writes the gradient as it will be used, but without weight decay.
struct GradientElement {
  static constexpr int kSlots = 0;

  PACELINE_INLINE float operator()(float g, float) const { return g; }
};

struct LarsRule : ZeroSlots {
  static constexpr int kSlots = 1;
  static constexpr bool kCoupledDecay = true;
  double learning_rate = 0;
  float momentum = 0;
  double trust_coefficient = 0;
  double epsilon = 0;

  void ApplySegment(const RuleSettings& settings, int64_t step, const Preparation& preparation,
                    const ElementArrays& segment) const {
    const double rate = learning_rate * settings.schedule.Factor(step);
    const double trust = Trust(settings, preparation, segment);
    const LarsElement element = {static_cast<float>(rate * trust), momentum};
    RunElementwise(settings.width, element, preparation, segment);
  }

  double Trust(const RuleSettings& settings, Preparation preparation,
               const ElementArrays& segment) const {
    preparation.decay = 0;
    double parameter_square = 0;
    double gradient_square = 0;
    for (size_t begin = 0; begin < segment.n; begin += kBlockElements) {
      // `after` holds the block's gradient until the rule overwrites it.
      const ElementArrays block =
          Slice(segment, begin, std::min<size_t>(kBlockElements, segment.n - begin));
      RunElementwise(settings.width, GradientElement(), preparation, block);
      parameter_square += SquareSum({block.before, block.n});
      gradient_square += SquareSum({block.after, block.n});
    }
    if (!(parameter_square > 0 && gradient_square > 0)) return 1;
    const double p = std::sqrt(parameter_square);
    const double g = std::sqrt(gradient_square);
    return trust_coefficient * p / (g + settings.weight_decay * p + epsilon);
  }
};

}  // namespace

OptimizerOr CreateLars(const v1::LarsSpec& spec, RuleSettings settings) {
  RangeCheck check("optimizer.lars");
  LarsRule rule;
  rule.learning_rate =
      check.Positive("learning_rate", spec.has_learning_rate(), spec.learning_rate());
  rule.momentum = check.BelowOne("momentum", spec.has_momentum(), spec.momentum());
  rule.trust_coefficient =
      check.Positive("trust_coefficient", spec.has_trust_coefficient(), spec.trust_coefficient());
  rule.epsilon = check.Positive("epsilon", spec.has_epsilon(), spec.epsilon());
  RETURN_IF_ERROR(check.status());
  return MakeBySegment(rule, std::move(settings));
}

}  // namespace paceline
