// Optimizer classes around a rule: one for rules that treat every element alone, one for rules that
// first measure a segment's norms.
//
// A `Rule` holds its checked rates and offers
//   static constexpr int kSlots;
//   static constexpr bool kCoupledDecay;  // Whether weight decay joins the gradient.
//   void InitializeSlots(const RuleSettings&, Span<const float> initial, slots) const;
// and, with the settings, the step and the arrays it is applied to,
//   elementwise:  Element At(const RuleSettings&, int64_t step) const;   (elementwise.h)
//   by segment:   void ApplySegment(const RuleSettings&, int64_t step, const Preparation&,
//                                   const ElementArrays& segment) const;
#ifndef PACELINE_SERVER_OPTIMIZER_RULE_OPTIMIZER_H_
#define PACELINE_SERVER_OPTIMIZER_RULE_OPTIMIZER_H_

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/types/span.h"
#include "common/base/check.h"
#include "server/optimizer/elementwise.h"
#include "server/optimizer/optimizer.h"
#include "server/optimizer/rules.h"

namespace paceline {

using Slots = absl::Span<const absl::Span<float>>;

// For rules whose slots start at zero.
struct ZeroSlots {
  void InitializeSlots(const RuleSettings&, absl::Span<const float>, Slots slots) const {
    for (const absl::Span<float> slot : slots) std::fill(slot.begin(), slot.end(), 0.0f);
  }
};

// The part of `arrays` from `begin` on, `count` long.
inline ElementArrays Slice(const ElementArrays& arrays, size_t begin, size_t count) {
  ElementArrays slice = {
      count, arrays.gradient + begin, arrays.before + begin, arrays.after + begin, {}};
  for (int k = 0; k < 2; ++k) {
    if (arrays.slots[k] != nullptr) slice.slots[k] = arrays.slots[k] + begin;
  }
  return slice;
}

template <class Rule>
class RuleOptimizer : public Optimizer {
 public:
  RuleOptimizer(Rule rule, RuleSettings settings)
      : rule_(std::move(rule)), settings_(std::move(settings)) {}

  int slot_count() const override { return Rule::kSlots; }

  void InitializeSlots(absl::Span<const float> initial, Slots slots) const override {
    PACELINE_CHECK(initial.size() == settings_.elements);
    CheckSlots(slots);
    rule_.InitializeSlots(settings_, initial, slots);
  }

  void Apply(const OptimizerStep& step, absl::Span<const float> gradient,
             absl::Span<const float> before, absl::Span<float> after, Slots slots) const override {
    PACELINE_CHECK(step.step >= 1);
    PACELINE_CHECK(gradient.size() == settings_.elements);
    PACELINE_CHECK(before.size() == settings_.elements);
    PACELINE_CHECK(after.size() == settings_.elements);
    CheckSlots(slots);
    ElementArrays arrays = {gradient.size(), gradient.data(), before.data(), after.data(), {}};
    for (int k = 0; k < Rule::kSlots; ++k) arrays.slots[k] = slots[k].data();
    const Preparation preparation = {static_cast<float>(step.gradient_scale), settings_.clip_value,
                                     Rule::kCoupledDecay ? settings_.weight_decay : 0.0f};
    Run(step.step, preparation, arrays);
  }

 protected:
  const Rule rule_;
  const RuleSettings settings_;

 private:
  virtual void Run(int64_t step, const Preparation& preparation,
                   const ElementArrays& arrays) const = 0;

  void CheckSlots(Slots slots) const {
    PACELINE_CHECK(slots.size() == Rule::kSlots);
    for (const absl::Span<float> slot : slots) PACELINE_CHECK(slot.size() == settings_.elements);
  }
};

template <class Rule>
class ElementwiseOptimizer final : public RuleOptimizer<Rule> {
 public:
  using RuleOptimizer<Rule>::RuleOptimizer;

 private:
  void Run(int64_t step, const Preparation& preparation,
           const ElementArrays& arrays) const override {
    RunElementwise(this->settings_.width, this->rule_.At(this->settings_, step), preparation,
                   arrays);
  }
};

template <class Rule>
class SegmentOptimizer final : public RuleOptimizer<Rule> {
 public:
  using RuleOptimizer<Rule>::RuleOptimizer;

 private:
  void Run(int64_t step, const Preparation& preparation,
           const ElementArrays& arrays) const override {
    size_t begin = 0;
    for (const uint64_t elements : this->settings_.segment_elements) {
      this->rule_.ApplySegment(this->settings_, step, preparation, Slice(arrays, begin, elements));
      begin += elements;
    }
  }
};

template <class Rule>
OptimizerOr MakeElementwise(Rule rule, RuleSettings settings) {
  return std::make_unique<ElementwiseOptimizer<Rule>>(std::move(rule), std::move(settings));
}

template <class Rule>
OptimizerOr MakeBySegment(Rule rule, RuleSettings settings) {
  return std::make_unique<SegmentOptimizer<Rule>>(std::move(rule), std::move(settings));
}

}  // namespace paceline

#endif  // PACELINE_SERVER_OPTIMIZER_RULE_OPTIMIZER_H_
