// An activation applied to every element: relu, tanh or sigmoid. It has no parameters.
//
// Errors, threads  As Layer.
#ifndef PACELINE_WORKER_MODEL_ACTIVATION_LAYER_H_
#define PACELINE_WORKER_MODEL_ACTIVATION_LAYER_H_

#include "worker/model/layer.h"

namespace paceline {

class ActivationLayer : public Layer {
 public:
  ActivationLayer(kernels::Activation activation, uint64_t width)
      : Layer(width, width), activation_(activation) {}

  absl::Status Forward(kernels::Kernels& kernels, const ForwardArguments& arguments) const override;

  absl::Status Backward(kernels::Kernels& kernels,
                        const BackwardArguments& arguments) const override;

 private:
  const kernels::Activation activation_;
};

}  // namespace paceline

#endif  // PACELINE_WORKER_MODEL_ACTIVATION_LAYER_H_
