// The server-side update rules: how a gradient turns version v of a partition into version v + 1.
//
// Shapes   gradient, before, after and every slot: [n] float32, n the sum of the segments' counts.
//          A segment is a contiguous piece of one parameter; for lamb and lars, which scale a
//          segment's step by its norms, it must be a whole parameter.
// Units    step: 1 on a partition's first. Rates: proto/job.proto, OptimizerSpec, whose texts
// define
//          the rules; the .cc file of each rule names its paper.
// Errors   Create: InvalidArgument naming the field that is missing or out of range. Apply cannot
//          fail; lengths and steps that do not match are broken invariants of the caller's.
// Threads  Immutable. Apply touches only its arguments; the caller holds whatever guards them.
//
// Bits: the result depends on nothing but the arguments. Every SimdWidth gives the same bits, and
// so does every way to cut a parameter into partitions (lamb and lars: which are never cut). Only
// the payload of a NaN is left open.
#ifndef PACELINE_SERVER_OPTIMIZER_OPTIMIZER_H_
#define PACELINE_SERVER_OPTIMIZER_OPTIMIZER_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "proto/job.pb.h"
#include "server/optimizer/simd_width.h"

namespace paceline {

// How one step treats its gradient; the rest is fixed at construction.
struct OptimizerStep {
  int64_t step = 1;  // t = 1, 2, ... of this partition.

  // Multiplies every gradient element first (rounded to float32): one over the sum of weights,
  // times the damping, times the global norm's ClipFactor.
  double gradient_scale = 1;
};

class Optimizer {
 public:
  // `spec` is resolved: common/job has set every field that has a default.
  static absl::StatusOr<std::unique_ptr<Optimizer>> Create(const v1::OptimizerSpec& spec,
                                                           std::vector<uint64_t> segment_elements,
                                                           SimdWidth width = WidestSimdWidth());

  virtual ~Optimizer() = default;

  // Arrays of [n] float32 that the rule keeps beside the parameters.
  virtual int slot_count() const = 0;

  // Writes what the slots hold before step 1 of parameters that start at `initial`.
  virtual void InitializeSlots(absl::Span<const float> initial,
                               absl::Span<const absl::Span<float>> slots) const = 0;

  // Reads version v from `before`, writes version v + 1 to `after` and brings the slots along in
  // place: scale, clip_value, weight decay, rule, in that order and in one pass. No two arrays
  // overlap.
  virtual void Apply(const OptimizerStep& step, absl::Span<const float> gradient,
                     absl::Span<const float> before, absl::Span<float> after,
                     absl::Span<const absl::Span<float>> slots) const = 0;
};

}  // namespace paceline

#endif  // PACELINE_SERVER_OPTIMIZER_OPTIMIZER_H_
