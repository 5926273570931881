// The layers of a model, made from their plan.
//
// Threads  Pure functions.
#ifndef PACELINE_WORKER_MODEL_BUILD_LAYERS_H_
#define PACELINE_WORKER_MODEL_BUILD_LAYERS_H_

#include <memory>
#include <vector>

#include "common/job/layer_plan.h"
#include "worker/model/layer_stack.h"

namespace paceline {

// The layers that compute something; flatten and reshape only name the same numbers anew. At least
// one of `plans` does, and every dimension in them is known. The parameters lie in the plan's
// order.
std::unique_ptr<LayerStack> BuildLayers(const std::vector<LayerPlan>& plans);

}  // namespace paceline

#endif  // PACELINE_WORKER_MODEL_BUILD_LAYERS_H_
