// Positional embedding: the weight, as large as a sample, is added to each.
//
// Shapes   A sample and the weight: [length, width].
// Errors, threads  As Layer.
#ifndef PACELINE_WORKER_MODEL_POSITIONAL_EMBEDDING_H_
#define PACELINE_WORKER_MODEL_POSITIONAL_EMBEDDING_H_

#include "worker/model/layer.h"

namespace paceline {

class PositionalEmbedding : public Layer {
 public:
  explicit PositionalEmbedding(uint64_t elements) : Layer(elements, elements) {}

  uint64_t parameter_elements() const override { return inputs(); }

  absl::Status Forward(kernels::Kernels& kernels, const ForwardArguments& arguments) const override;

  absl::Status Backward(kernels::Kernels& kernels,
                        const BackwardArguments& arguments) const override;
};

}  // namespace paceline

#endif  // PACELINE_WORKER_MODEL_POSITIONAL_EMBEDDING_H_
