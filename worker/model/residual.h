// Residual: y = x + f(x), where f is a stack of layers that keeps the shape.
//
// Shapes   Parameters: those of the stack.
// Errors, threads  As Layer.
// Source   He et al., "Deep Residual Learning", CVPR 2016.
#ifndef PACELINE_WORKER_MODEL_RESIDUAL_H_
#define PACELINE_WORKER_MODEL_RESIDUAL_H_

#include <memory>
#include <utility>

#include "worker/model/layer.h"
#include "worker/model/layer_stack.h"

namespace paceline {

class Residual : public Layer {
 public:
  explicit Residual(std::unique_ptr<LayerStack> stack)
      : Layer(stack->inputs(), stack->outputs()), stack_(std::move(stack)) {}

  uint64_t parameter_elements() const override { return stack_->parameter_elements(); }
  uint64_t saved_elements(uint64_t samples) const override {
    return stack_->saved_elements(samples) + samples * outputs();
  }
  uint64_t scratch_elements(const kernels::Kernels& kernels, uint64_t samples) const override {
    return stack_->scratch_elements(kernels, samples);
  }

  absl::Status Forward(kernels::Kernels& kernels, const ForwardArguments& arguments) const override;

  absl::Status Backward(kernels::Kernels& kernels,
                        const BackwardArguments& arguments) const override;

 private:
  const std::unique_ptr<LayerStack> stack_;
};

}  // namespace paceline

#endif  // PACELINE_WORKER_MODEL_RESIDUAL_H_
