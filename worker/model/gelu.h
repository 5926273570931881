// GELU: x Phi(x), element by element. It has no parameters.
//
// Errors, threads  As Layer.
// Source   Hendrycks & Gimpel, "Gaussian Error Linear Units", 2016, arXiv:1606.08415.
#ifndef PACELINE_WORKER_MODEL_GELU_H_
#define PACELINE_WORKER_MODEL_GELU_H_

#include "worker/model/layer.h"

namespace paceline {

class Gelu : public Layer {
 public:
  explicit Gelu(uint64_t width) : Layer(width, width) {}

  absl::Status Forward(kernels::Kernels& kernels, const ForwardArguments& arguments) const override;

  absl::Status Backward(kernels::Kernels& kernels,
                        const BackwardArguments& arguments) const override;
};

}  // namespace paceline

#endif  // PACELINE_WORKER_MODEL_GELU_H_
