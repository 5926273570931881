// The running moments that adam, adamw and lamb share.
//
// Source   Kingma & Ba 2015, "Adam", arXiv:1412.6980, Algorithm 1.
#ifndef PACELINE_SERVER_OPTIMIZER_MOMENTS_H_
#define PACELINE_SERVER_OPTIMIZER_MOMENTS_H_

#include <cmath>
#include <cstdint>

#include "server/optimizer/elementwise.h"
#include "server/optimizer/integer_power.h"
#include "server/optimizer/range_check.h"

namespace paceline {

// One step's constants.
struct Moments {
  float beta1;
  float one_minus_beta1;
  float beta2;
  float one_minus_beta2;
  float gain;          // Times 1 / (1 - beta1^t).
  float root_unbias2;  // 1 / sqrt(1 - beta2^t).
  float epsilon;

  // Updates both moments; returns gain * unbiased m / (sqrt(unbiased v) + epsilon).
  PACELINE_INLINE float Direction(float g, float& m, float& v) const {
    m = beta1 * m + one_minus_beta1 * g;
    v = beta2 * v + one_minus_beta2 * g * g;
    return gain * m / (std::sqrt(v) * root_unbias2 + epsilon);
  }
};

struct MomentRates {
  double learning_rate = 0;
  float beta1 = 0;
  float beta2 = 0;
  float epsilon = 0;

  // The constants at `step`. In double: 1 - beta^t is a small difference of nearly equal numbers.
  Moments At(int64_t step, double gain) const {
    const double bias1 = 1 - IntegerPower(beta1, static_cast<uint64_t>(step));
    const double bias2 = 1 - IntegerPower(beta2, static_cast<uint64_t>(step));
    return {beta1,
            1 - beta1,
            beta2,
            1 - beta2,
            static_cast<float>(gain / bias1),
            static_cast<float>(1 / std::sqrt(bias2)),
            epsilon};
  }
};

// Spec: AdamSpec, AdamwSpec or LambSpec, which have the same fields.
template <class Spec>
MomentRates CheckMomentRates(const Spec& spec, RangeCheck* check) {
  MomentRates rates;
  rates.learning_rate =
      check->Positive("learning_rate", spec.has_learning_rate(), spec.learning_rate());
  rates.beta1 = check->BelowOne("beta1", spec.has_beta1(), spec.beta1());
  rates.beta2 = check->BelowOne("beta2", spec.has_beta2(), spec.beta2());
  rates.epsilon = check->Positive("epsilon", spec.has_epsilon(), spec.epsilon());
  return rates;
}

}  // namespace paceline

#endif  // PACELINE_SERVER_OPTIMIZER_MOMENTS_H_
