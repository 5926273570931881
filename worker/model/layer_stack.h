// Layers one after the other, as one layer.
//
// Shapes   As the first layer's input and the last one's output. Parameters: those of each layer in
//          turn.
// Errors, threads  As Layer.
#ifndef PACELINE_WORKER_MODEL_LAYER_STACK_H_
#define PACELINE_WORKER_MODEL_LAYER_STACK_H_

#include <cstddef>
#include <memory>
#include <vector>

#include "worker/model/layer.h"

namespace paceline {

class LayerStack : public Layer {
 public:
  // At least one; each takes what the one before it gives.
  explicit LayerStack(std::vector<std::unique_ptr<Layer>> layers);

  uint64_t parameter_elements() const override { return parameters_begin_.back(); }

  // What each layer saves, and every output but the last.
  uint64_t saved_elements(uint64_t samples) const override;

  // The largest of the layers', and the gradients by two outputs, which are used by turns.
  uint64_t scratch_elements(const kernels::Kernels& kernels, uint64_t samples) const override;

  absl::Status Forward(kernels::Kernels& kernels, const ForwardArguments& arguments) const override;

  // Goes no further down than to the first layer with parameters, unless the input's gradient is
  // wanted.
  absl::Status Backward(kernels::Kernels& kernels,
                        const BackwardArguments& arguments) const override;

 private:
  // Where layer i's saved elements and, behind them, its output begin.
  uint64_t SavedBegin(size_t i, uint64_t samples) const;
  uint64_t GradientElements(uint64_t samples) const;
  template <typename MatrixType, typename ArrayType>
  MatrixType OutputIn(ArrayType saved, size_t i, uint64_t samples) const;

  const std::vector<std::unique_ptr<Layer>> layers_;
  std::vector<uint64_t> parameters_begin_;  // Of each layer, and the end.
  uint64_t widest_ = 0;                     // Output but the last.
};

}  // namespace paceline

#endif  // PACELINE_WORKER_MODEL_LAYER_STACK_H_
