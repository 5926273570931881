// A layer: an explicit forward and backward over a batch. It holds shapes only; whoever calls it
// owns parameters, activations and gradients, so a layer carries nothing from one batch to the
// next.
//
// Shapes   input: [samples, inputs()]; output: [samples, outputs()]; parameters and their gradient:
//          [parameter_elements()], the layer's tensors one after the other. A sample's own
//          dimensions lie row-major in its row.
// Errors   What the kernels report; a wrong shape is the caller's mistake and comes back as theirs.
// Threads  Const; the kernels belong to one thread.
#ifndef PACELINE_WORKER_MODEL_LAYER_H_
#define PACELINE_WORKER_MODEL_LAYER_H_

#include <cstdint>

#include "absl/status/status.h"
#include "kernels/kernels.h"

namespace paceline {

// What one forward and its backward have in common.
struct Pass {
  bool training = false;
  // Of the pass's random numbers, in training.
  uint64_t random_key = 0;
};

// What forward reads and writes. No memory overlaps.
struct ForwardArguments {
  kernels::ConstMatrix input;
  kernels::ConstArray parameters;
  kernels::Matrix output;  // Overwritten.
  kernels::Array saved;    // [saved_elements()], for backward.
  kernels::Array scratch;  // [scratch_elements()] or more.
  Pass pass;
};

// What backward reads and writes. No memory overlaps.
struct BackwardArguments {
  kernels::ConstMatrix input;   // As forward read it.
  kernels::ConstMatrix output;  // As forward wrote it.
  kernels::ConstArray parameters;
  kernels::ConstMatrix output_gradient;  // Of the loss, by the output.
  kernels::Array parameter_gradient;     // Overwritten.
  kernels::Matrix input_gradient;        // Overwritten; no rows: nothing before it has parameters.
  kernels::ConstArray saved;             // As forward wrote it.
  kernels::Array scratch;
  Pass pass;
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

  // What a batch of `samples` needs beside input, output and parameters: kept from forward to
  // backward, and for the length of a call.
  virtual uint64_t saved_elements(uint64_t /*samples*/) const { return 0; }
  virtual uint64_t scratch_elements(const kernels::Kernels& /*kernels*/,
                                    uint64_t /*samples*/) const {
    return 0;
  }

  virtual absl::Status Forward(kernels::Kernels& kernels,
                               const ForwardArguments& arguments) const = 0;

  virtual absl::Status Backward(kernels::Kernels& kernels,
                                const BackwardArguments& arguments) const = 0;

 private:
  const uint64_t inputs_;
  const uint64_t outputs_;
};

// The same elements in rows of `columns`, which divides them.
inline kernels::Matrix InRowsOf(uint64_t columns, kernels::Matrix m) {
  return {m.array, m.rows * m.columns / columns, columns};
}
inline kernels::ConstMatrix InRowsOf(uint64_t columns, kernels::ConstMatrix m) {
  return {m.array, m.rows * m.columns / columns, columns};
}

}  // namespace paceline

#endif  // PACELINE_WORKER_MODEL_LAYER_H_
