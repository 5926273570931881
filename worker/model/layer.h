// A layer: an explicit forward and backward over a batch. It holds shapes only; whoever calls it
// owns parameters, activations and gradients, so a layer carries nothing from one batch to the
// next.
//
// Shapes   input: [samples, inputs()]; output: [samples, outputs()]; parameters and their gradient:
//          [parameter_elements()], the layer's tensors one after the other.
// Errors   What the kernels report; a wrong shape is the caller's mistake and comes back as theirs.
// Threads  Const; the kernels belong to one thread.
#ifndef PACELINE_WORKER_MODEL_LAYER_H_
#define PACELINE_WORKER_MODEL_LAYER_H_

#include <cstdint>

#include "absl/status/status.h"
#include "kernels/kernels.h"

namespace paceline {

// What backward reads and writes. No memory overlaps.
struct BackwardArguments {
  kernels::ConstMatrix input;   // As forward read it.
  kernels::ConstMatrix output;  // As forward wrote it.
  kernels::ConstArray parameters;
  kernels::ConstMatrix output_gradient;  // Of the loss, by the output.
  kernels::Array parameter_gradient;     // Overwritten.
  kernels::Matrix input_gradient;        // Overwritten; no rows: not wanted (the first layer).
};

class Layer {
 public:
  Layer(uint64_t inputs, uint64_t outputs) : inputs_(inputs), outputs_(outputs) {}
  virtual ~Layer() = default;
  Layer(const Layer&) = delete;
  Layer& operator=(const Layer&) = delete;

  uint64_t inputs() const { return inputs_; }
  uint64_t outputs() const { return outputs_; }
  virtual uint64_t parameter_elements() const { return 0; }

  virtual absl::Status Forward(kernels::Kernels& kernels, kernels::ConstMatrix input,
                               kernels::ConstArray parameters, kernels::Matrix output) const = 0;

  virtual absl::Status Backward(kernels::Kernels& kernels,
                                const BackwardArguments& arguments) const = 0;

 private:
  const uint64_t inputs_;
  const uint64_t outputs_;
};

}  // namespace paceline

#endif  // PACELINE_WORKER_MODEL_LAYER_H_
