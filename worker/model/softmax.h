// Softmax over the last dimension. It has no parameters.
//
// Shapes   A sample: [positions, classes].
// Errors, threads  As Layer.
#ifndef PACELINE_WORKER_MODEL_SOFTMAX_H_
#define PACELINE_WORKER_MODEL_SOFTMAX_H_

#include "worker/model/layer.h"

namespace paceline {

class Softmax : public Layer {
 public:
  Softmax(uint64_t positions, uint64_t classes)
      : Layer(positions * classes, positions * classes), classes_(classes) {}

  absl::Status Forward(kernels::Kernels& kernels, const ForwardArguments& arguments) const override;

  absl::Status Backward(kernels::Kernels& kernels,
                        const BackwardArguments& arguments) const override;

 private:
  const uint64_t classes_;
};

}  // namespace paceline

#endif  // PACELINE_WORKER_MODEL_SOFTMAX_H_
