// The one loop behind every rule: scale, clamp, decay and rule fused into a single pass over an
// array, compiled for every SimdWidth.
//
// A rule's arithmetic on one element is a functor `Element`:
//   static constexpr int kSlots = 0, 1 or 2;
//   PACELINE_INLINE float operator()(float gradient, float parameter, float& slot...) const;
// that returns the new parameter. It has no branch and no double: the constants of a step are
// computed once, in double, when the functor is made.
//
// Bits: IEEE operations in one order, no reduction, no contraction (-ffp-contract=off), so every
// vector width gives the same bits as one element at a time.
#ifndef PACELINE_SERVER_OPTIMIZER_ELEMENTWISE_H_
#define PACELINE_SERVER_OPTIMIZER_ELEMENTWISE_H_

#include <cstddef>
#include <optional>

#include "server/optimizer/simd_width.h"

// Inlined into each width's loop, so that it is compiled with that width's instructions.
#define PACELINE_INLINE inline __attribute__((always_inline))

namespace paceline {

// What happens to a gradient element before the rule sees it.
struct Preparation {
  float scale = 1;
  std::optional<float> clip;  // Clamp to +-this; NaN stays NaN.
  float decay = 0;            // Coupled: adds decay * parameter.
};

// The arrays of one pass, each [n]; no two overlap. Slots beyond the element's kSlots are null.
struct ElementArrays {
  size_t n = 0;
  const float* gradient = nullptr;
  const float* before = nullptr;
  float* after = nullptr;
  float* slots[2] = {nullptr, nullptr};
};

namespace elementwise_internal {

struct Constants {
  float scale;
  float clip;
  float decay;
};

template <bool kClip, bool kDecay>
PACELINE_INLINE float Prepare(const Constants& c, float gradient, float parameter) {
  float g = gradient * c.scale;
  if constexpr (kClip) {
    g = c.clip < g ? c.clip : g;
    g = -c.clip > g ? -c.clip : g;
  }
  if constexpr (kDecay) g += c.decay * parameter;
  return g;
}

template <class Element>
PACELINE_INLINE float Call(const Element& element, float g, float p, float* slot0, float* slot1,
                           size_t i) {
  if constexpr (Element::kSlots == 0) return element(g, p);
  if constexpr (Element::kSlots == 1) return element(g, p, slot0[i]);
  if constexpr (Element::kSlots == 2) return element(g, p, slot0[i], slot1[i]);
}

// The element and the constants are taken by value: no store can be thought to change them.
#define PACELINE_ELEMENT_LOOP(NAME, TARGET)                                                    \
  template <bool kClip, bool kDecay, class Element>                                            \
  TARGET void NAME(Element element, Constants c, size_t n, const float* __restrict gradient,   \
                   const float* __restrict before, float* __restrict after,                    \
                   [[maybe_unused]] float* __restrict slot0,                                   \
                   [[maybe_unused]] float* __restrict slot1) {                                 \
    for (size_t i = 0; i < n; ++i) {                                                           \
      const float p = before[i];                                                               \
      after[i] = Call(element, Prepare<kClip, kDecay>(c, gradient[i], p), p, slot0, slot1, i); \
    }                                                                                          \
  }

PACELINE_ELEMENT_LOOP(BaselineLoop, )
#if defined(__x86_64__)
PACELINE_ELEMENT_LOOP(Avx2Loop, __attribute__((target("avx2"))))
PACELINE_ELEMENT_LOOP(Avx512Loop, __attribute__((target("avx512f"))))
#endif
#undef PACELINE_ELEMENT_LOOP

template <bool kClip, bool kDecay, class Element>
void RunAtWidth(SimdWidth width, const Element& element, const Constants& c,
                const ElementArrays& a) {
  auto* loop = &BaselineLoop<kClip, kDecay, Element>;
#if defined(__x86_64__)
  if (width == SimdWidth::kAvx2) loop = &Avx2Loop<kClip, kDecay, Element>;
  if (width == SimdWidth::kAvx512) loop = &Avx512Loop<kClip, kDecay, Element>;
#endif
  loop(element, c, a.n, a.gradient, a.before, a.after, a.slots[0], a.slots[1]);
}

}  // namespace elementwise_internal

// Runs the element over the arrays. `width` is supported by this CPU.
template <class Element>
void RunElementwise(SimdWidth width, const Element& element, const Preparation& preparation,
                    const ElementArrays& arrays) {
  using elementwise_internal::RunAtWidth;
  const bool has_clip = preparation.clip.has_value();
  const elementwise_internal::Constants c = {preparation.scale, preparation.clip.value_or(0),
                                             preparation.decay};
  if (c.decay == 0) {
    has_clip ? RunAtWidth<true, false>(width, element, c, arrays)
             : RunAtWidth<false, false>(width, element, c, arrays);
  } else {
    has_clip ? RunAtWidth<true, true>(width, element, c, arrays)
             : RunAtWidth<false, true>(width, element, c, arrays);
  }
}

}  // namespace paceline

#endif  // PACELINE_SERVER_OPTIMIZER_ELEMENTWISE_H_
