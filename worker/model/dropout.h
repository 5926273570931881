// Dropout: in training each number is 0 with probability `rate` and otherwise divided by 1 - rate;
// in evaluation nothing changes. It has no parameters.
//
// Errors, threads  As Layer.
// Source   Srivastava et al., JMLR 15, 2014.
//
// Which numbers are dropped follows from the pass's key, the layer's number and the element's place
// in the batch: backward draws them again, and so does whoever computes the same data shard.
#ifndef PACELINE_WORKER_MODEL_DROPOUT_H_
#define PACELINE_WORKER_MODEL_DROPOUT_H_

#include "worker/model/layer.h"

namespace paceline {

class Dropout : public Layer {
 public:
  // `number`: the layer's own, so that no two layers of a model draw alike.
  Dropout(uint64_t width, float rate, uint64_t number)
      : Layer(width, width), rate_(rate), number_(number) {}

  absl::Status Forward(kernels::Kernels& kernels, const ForwardArguments& arguments) const override;

  absl::Status Backward(kernels::Kernels& kernels,
                        const BackwardArguments& arguments) const override;

 private:
  kernels::RandomDraw Draw(const Pass& pass) const;

  const float rate_;
  const uint64_t number_;
};

}  // namespace paceline

#endif  // PACELINE_WORKER_MODEL_DROPOUT_H_
