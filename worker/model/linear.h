// Linear: y = x W + b.
//
// Shapes   Parameters: weight [inputs, outputs], row-major, then bias [outputs].
// Errors, threads  As Layer.
#ifndef PACELINE_WORKER_MODEL_LINEAR_H_
#define PACELINE_WORKER_MODEL_LINEAR_H_

#include "worker/model/layer.h"

namespace paceline {

class Linear : public Layer {
 public:
  using Layer::Layer;

  uint64_t parameter_elements() const override { return weight_elements() + outputs(); }

  absl::Status Forward(kernels::Kernels& kernels, kernels::ConstMatrix input,
                       kernels::ConstArray parameters, kernels::Matrix output) const override;

  // dW = x' dy, db = the column sums of dy, dx = dy W'.
  absl::Status Backward(kernels::Kernels& kernels,
                        const BackwardArguments& arguments) const override;

 private:
  uint64_t weight_elements() const { return inputs() * outputs(); }
  kernels::ConstMatrix Weight(kernels::ConstArray parameters) const;
};

}  // namespace paceline

#endif  // PACELINE_WORKER_MODEL_LINEAR_H_
