// Embedding: each word becomes a row of the weight.
//
// Shapes   A sample: [length] words to [length, width]. Parameters: weight [vocabulary, width].
// Errors, threads  As Layer; a word that is not in the vocabulary becomes NaN.
//
// Words have no gradient: it is the first layer.
#ifndef PACELINE_WORKER_MODEL_EMBEDDING_H_
#define PACELINE_WORKER_MODEL_EMBEDDING_H_

#include "worker/model/layer.h"

namespace paceline {

class Embedding : public Layer {
 public:
  Embedding(uint64_t length, uint64_t vocabulary, uint64_t width)
      : Layer(length, length * width), vocabulary_(vocabulary), width_(width) {}

  uint64_t parameter_elements() const override { return vocabulary_ * width_; }

  absl::Status Forward(kernels::Kernels& kernels, const ForwardArguments& arguments) const override;

  absl::Status Backward(kernels::Kernels& kernels,
                        const BackwardArguments& arguments) const override;

 private:
  const uint64_t vocabulary_;
  const uint64_t width_;
};

}  // namespace paceline

#endif  // PACELINE_WORKER_MODEL_EMBEDDING_H_
