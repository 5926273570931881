// Every rule of proto/job.proto written out one element at a time, for tests.
//
// In float64 (T = double) they are the rules themselves; in float32 (T = float) they round where
// the fast loops do, so that bits can be compared. lamb and lars sum their norms plainly.
#ifndef PACELINE_SERVER_OPTIMIZER_REFERENCE_RULES_H_
#define PACELINE_SERVER_OPTIMIZER_REFERENCE_RULES_H_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "proto/job.pb.h"

namespace paceline {

template <typename T>
struct ReferenceState {
  std::vector<T> p;
  std::vector<T> a;  // First slot.
  std::vector<T> b;  // Second slot.
};

// What the schedule and the caller make of one step.
struct ReferenceStep {
  int t = 1;
  double factor = 1;
  double previous_factor = 1;  // Of step t - 1; of step 1 at step 1.
  double gradient_scale = 1;
};

template <typename T>
class ReferenceRules {
 public:
  explicit ReferenceRules(const v1::OptimizerSpec& spec) : spec_(spec) {}

  ReferenceState<T> Initial(const std::vector<float>& p) const {
    ReferenceState<T> state;
    state.p.assign(p.begin(), p.end());
    state.a.assign(p.size(), 0);
    state.b.assign(p.size(), 0);
    if (spec_.has_adagrad()) state.a.assign(p.size(), spec_.adagrad().initial_accumulator());
    return state;
  }

  // ftrl: z of the parameters `p` at learning rate factor `factor`.
  std::vector<T> InitialZ(const std::vector<float>& p, double factor) const {
    const v1::FtrlSpec& r = spec_.ftrl();
    const T divisor = static_cast<T>(r.beta() / (r.learning_rate() * factor)) + T{r.l2()};
    std::vector<T> z;
    for (const T x : p) z.push_back(-(x * divisor + (x > 0 ? r.l1() : x < 0 ? -r.l1() : 0)));
    return z;
  }

  __attribute__((noinline)) void Apply(const ReferenceStep& step,
                                       const std::vector<float>& gradient,
                                       ReferenceState<T>* state) const {
    step_ = step;
    std::vector<T> g;
    for (size_t i = 0; i < gradient.size(); ++i) g.push_back(Prepare(gradient[i]));
    if (spec_.has_lamb()) return Lamb(g, state);
    if (spec_.has_lars()) return Lars(g, state);
    const bool is_coupled = !spec_.has_adamw() && spec_.weight_decay() != 0;
    for (size_t i = 0; i < g.size(); ++i) {
      if (is_coupled) g[i] += T{spec_.weight_decay()} * state->p[i];
      state->p[i] = Element(g[i], state->p[i], state->a[i], state->b[i]);
    }
  }

 private:
  T Prepare(float gradient) const {
    const T g = T{gradient} * static_cast<T>(step_.gradient_scale);
    if (!spec_.has_clip_value()) return g;
    return std::min<T>(std::max<T>(g, -spec_.clip_value()), spec_.clip_value());
  }

  T Rate(double learning_rate) const { return static_cast<T>(learning_rate * step_.factor); }

  // beta^t as repeated squaring gives it.
  static double Power(double beta, int t) {
    double power = 1;
    for (double square = beta; t > 0; t /= 2, square *= square) {
      if (t % 2 == 1) power *= square;
    }
    return power;
  }

  template <class Spec>
  T AdamDirection(const Spec& r, double gain, T g, T& m, T& v) const {
    const T beta1 = r.beta1(), beta2 = r.beta2();
    m = beta1 * m + (1 - beta1) * g;
    v = beta2 * v + (1 - beta2) * g * g;
    const T unbiased = static_cast<T>(gain / (1 - Power(r.beta1(), step_.t)));
    const T root = static_cast<T>(1 / std::sqrt(1 - Power(r.beta2(), step_.t)));
    return unbiased * m / (std::sqrt(v) * root + T{r.epsilon()});
  }

  T Element(T g, T p, T& a, T& b) const {
    switch (spec_.rule_case()) {
      case v1::OptimizerSpec::kSgd:
        return p - Rate(spec_.sgd().learning_rate()) * g;
      case v1::OptimizerSpec::kMomentum:
        a = T{spec_.momentum().momentum()} * a + g;
        return p - Rate(spec_.momentum().learning_rate()) * a;
      case v1::OptimizerSpec::kNesterov:
        a = T{spec_.nesterov().momentum()} * a + g;
        return p -
               Rate(spec_.nesterov().learning_rate()) * (g + T{spec_.nesterov().momentum()} * a);
      case v1::OptimizerSpec::kAdagrad:
        a += g * g;
        return p - Rate(spec_.adagrad().learning_rate()) * g /
                       (std::sqrt(a) + T{spec_.adagrad().epsilon()});
      case v1::OptimizerSpec::kAdadelta:
        return Adadelta(g, p, a, b);
      case v1::OptimizerSpec::kRmsprop: {
        const T alpha = spec_.rmsprop().alpha();
        a = alpha * a + (1 - alpha) * g * g;
        return p - Rate(spec_.rmsprop().learning_rate()) * g /
                       (std::sqrt(a) + T{spec_.rmsprop().epsilon()});
      }
      case v1::OptimizerSpec::kAdam:
        return p -
               AdamDirection(spec_.adam(), spec_.adam().learning_rate() * step_.factor, g, a, b);
      case v1::OptimizerSpec::kAdamw: {
        const double rate = spec_.adamw().learning_rate() * step_.factor;
        return p - (AdamDirection(spec_.adamw(), rate, g, a, b) +
                    static_cast<T>(rate * spec_.weight_decay()) * p);
      }
      case v1::OptimizerSpec::kFtrl:
        return Ftrl(g, p, a, b);
      default:
        return NAN;
    }
  }

  T Adadelta(T g, T p, T& squares, T& moves) const {
    const v1::AdadeltaSpec& r = spec_.adadelta();
    const T rho = r.rho(), epsilon = r.epsilon();
    squares = rho * squares + (1 - rho) * g * g;
    const T move = std::sqrt(moves + epsilon) / std::sqrt(squares + epsilon) * g;
    moves = rho * moves + (1 - rho) * move * move;
    return p - Rate(r.learning_rate()) * move;
  }

  T Ftrl(T g, T p, T& z, T& n) const {
    const v1::FtrlSpec& r = spec_.ftrl();
    const double strength = 1 / (r.learning_rate() * step_.factor);
    const double previous = 1 / (r.learning_rate() * step_.previous_factor);
    const T new_n = n + g * g;
    const T sigma =
        (std::sqrt(new_n) * static_cast<T>(strength) - std::sqrt(n) * static_cast<T>(previous)) +
        static_cast<T>(r.beta() * (strength - previous));
    n = new_n;
    z += g - sigma * p;
    const T divisor =
        (static_cast<T>(r.beta() * strength) + std::sqrt(n) * static_cast<T>(strength)) + T{r.l2()};
    if (divisor == 0) return p;
    if (std::abs(z) <= r.l1()) return 0;
    return -(z - (z > 0 ? r.l1() : -r.l1())) / divisor;
  }

  static double Norm(const std::vector<T>& v) {
    double sum = 0;
    for (const double x : v) sum += x * x;
    return std::sqrt(sum);
  }

  void Lamb(const std::vector<T>& g, ReferenceState<T>* state) const {
    std::vector<T> direction;
    for (size_t i = 0; i < g.size(); ++i) {
      direction.push_back(AdamDirection(spec_.lamb(), 1, g[i], state->a[i], state->b[i]) +
                          T{spec_.weight_decay()} * state->p[i]);
    }
    const double p_norm = Norm(state->p), d_norm = Norm(direction);
    const double ratio = p_norm > 0 && d_norm > 0 ? p_norm / d_norm : 1;
    const T rate = static_cast<T>(spec_.lamb().learning_rate() * step_.factor * ratio);
    for (size_t i = 0; i < g.size(); ++i) state->p[i] -= rate * direction[i];
  }

  void Lars(const std::vector<T>& g, ReferenceState<T>* state) const {
    const v1::LarsSpec& r = spec_.lars();
    const double p_norm = Norm(state->p), g_norm = Norm(g);
    double trust = 1;
    if (p_norm > 0 && g_norm > 0) {
      trust =
          r.trust_coefficient() * p_norm / (g_norm + spec_.weight_decay() * p_norm + r.epsilon());
    }
    const T rate = static_cast<T>(r.learning_rate() * step_.factor * trust);
    for (size_t i = 0; i < g.size(); ++i) {
      T& v = state->a[i];
      v = T{r.momentum()} * v + rate * (g[i] + T{spec_.weight_decay()} * state->p[i]);
      state->p[i] -= v;
    }
  }

  const v1::OptimizerSpec spec_;
  mutable ReferenceStep step_;
};

}  // namespace paceline

#endif  // PACELINE_SERVER_OPTIMIZER_REFERENCE_RULES_H_
