// What a model's layers make of a sample: the shape before and behind each, and its parameters. The
// one place that knows; coordinator, server and worker follow it.
//
// Shapes   Of one sample: [features]; images [height, width, channels]; sequences [length,
//          channels].
// Errors   InvalidArgument, with the layer's path in the spec: a layer that cannot take the shape
//          before it, a residual that changes the shape, no parameters at all, a last layer that
//          does not fit the loss, more than kMaxJobElements parameter elements.
// Threads  Pure functions.
// Source   proto/job.proto (LayerSpec); He et al., ICCV 2015; Glorot & Bengio, AISTATS 2010.
#ifndef PACELINE_COMMON_JOB_LAYER_PLAN_H_
#define PACELINE_COMMON_JOB_LAYER_PLAN_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/job/parameter_info.h"
#include "proto/job.pb.h"

namespace paceline {

// Dimensions of one sample, outermost first; 0: not known before the data are.
using SampleShape = std::vector<uint64_t>;

// The product of the dimensions; 0 if one of them is not known.
uint64_t ElementsOf(const SampleShape& shape);

// Whether the layer only names the numbers anew.
bool IsView(const v1::LayerSpec& spec);

// A field as it is where the spec leaves it out: a spec that was not resolved has no defaults.
uint64_t KernelOf(const v1::ConvolutionLayer& spec);
uint64_t StrideOf(const v1::ConvolutionLayer& spec);
uint64_t StrideOf(const v1::PoolLayer& spec);
uint64_t HeadsOf(const v1::AttentionLayer& spec);

struct LayerPlan {
  const v1::LayerSpec* spec = nullptr;  // In the model the plan was made of.
  std::string path;                     // "model.layers[2]".
  SampleShape input;
  SampleShape output;
  std::vector<ParameterInfo> parameters;  // Its own, in flat order.
  std::vector<LayerPlan> inner;           // Of a residual; their parameters come behind its own.
};

// The layers of `model` in order. `features` is the count of numbers in a sample as the data have
// it; 0: not known yet, and what would follow from it is 0 or unchecked. `model` outlives the plan.
absl::StatusOr<std::vector<LayerPlan>> PlanLayers(const v1::ModelSpec& model, uint64_t features);

}  // namespace paceline

#endif  // PACELINE_COMMON_JOB_LAYER_PLAN_H_
