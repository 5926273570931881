// You et al. 2020, "Large Batch Optimization for Deep Learning", arXiv:1904.00962, Algorithm 2 with
// phi(z) = z: per segment, p -= rate * (|p| / |d|) * d with d = Adam's direction + weight_decay *
// p. Where either norm is 0 their ratio counts as 1.
#include <algorithm>
#include <cmath>
#include <utility>

#include "common/base/status_macros.h"
#include "common/job/partitioning.h"
#include "common/tensor/square_sum.h"
#include "server/optimizer/moments.h"
#include "server/optimizer/range_check.h"
#include "server/optimizer/rule_optimizer.h"
#include "server/optimizer/rules.h"

namespace paceline {
namespace {

// Writes the direction where the new parameters will be.
struct LambElement {
  static constexpr int kSlots = 2;
  Moments moments;  // Their gain is 1.
  float decay;

  PACELINE_INLINE float operator()(float g, float p, float& m, float& v) const {
    return moments.Direction(g, m, v) + decay * p;
  }
};

// direction becomes before - rate * direction.
void Descend(float rate, size_t n, const float* __restrict before, float* __restrict direction) {
  for (size_t i = 0; i < n; ++i) direction[i] = before[i] - rate * direction[i];
}

struct LambRule : ZeroSlots {
  static constexpr int kSlots = 2;
  static constexpr bool kCoupledDecay = false;
  MomentRates rates;

  void ApplySegment(const RuleSettings& settings, int64_t step, const Preparation& preparation,
                    const ElementArrays& segment) const {
    const LambElement element = {rates.At(step, 1), settings.weight_decay};
    double parameter_square = 0;
    double direction_square = 0;
    for (size_t begin = 0; begin < segment.n; begin += kBlockElements) {
      const size_t count = std::min<size_t>(kBlockElements, segment.n - begin);
      RunElementwise(settings.width, element, preparation, Slice(segment, begin, count));
      parameter_square += SquareSum({segment.before + begin, count});
      direction_square += SquareSum({segment.after + begin, count});
    }
    const bool has_ratio = parameter_square > 0 && direction_square > 0;
    const double ratio = has_ratio ? std::sqrt(parameter_square) / std::sqrt(direction_square) : 1;
    const double rate = rates.learning_rate * settings.schedule.Factor(step) * ratio;
    Descend(static_cast<float>(rate), segment.n, segment.before, segment.after);
  }
};

}  // namespace

OptimizerOr CreateLamb(const v1::LambSpec& spec, RuleSettings settings) {
  RangeCheck check("optimizer.lamb");
  LambRule rule;
  rule.rates = CheckMomentRates(spec, &check);
  RETURN_IF_ERROR(check.status());
  return MakeBySegment(rule, std::move(settings));
}

}  // namespace paceline
