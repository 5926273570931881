// What the tests of models have in common.
#ifndef PACELINE_WORKER_MODEL_MODEL_TESTING_H_
#define PACELINE_WORKER_MODEL_MODEL_TESTING_H_

#include <memory>
#include <string>
#include <vector>

#include "kernels/backend.h"
#include "worker/model/model.h"

namespace paceline {

// The CPU, and CUDA where this build and machine have it.
std::vector<kernels::BackendChoice> ModelBackends();

// A model as a spec has it ("{layers: [{linear: 2}], loss: ...}"), resolved, over samples of
// `features` numbers. The spec must be right; the model comes back as Model::Create says.
absl::StatusOr<std::unique_ptr<Model>> ModelOf(
    const std::string& yaml, uint64_t features,
    kernels::BackendChoice backend = kernels::BackendChoice::kCpu);

// `count` numbers in [-1, 1), other ones for another purpose.
std::vector<float> RandomNumbers(uint64_t count, const std::string& purpose);

// The largest difference between the model's gradient and central differences of its training loss,
// in which the layers draw the same numbers throughout. The loss is a sum of float32, so a step of
// 2^-7 is the compromise between its rounding and the curvature.
double WorstDifference(Model& model, const Batch& batch, std::vector<float> parameters);

}  // namespace paceline

#endif  // PACELINE_WORKER_MODEL_MODEL_TESTING_H_
