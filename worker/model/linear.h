// Linear: y = x W + b, at every position of a sample.
//
// Shapes   A sample: [positions, in] to [positions, units]. Parameters: weight [in, units],
//          row-major, then bias [units].
// Errors, threads  As Layer.
#ifndef PACELINE_WORKER_MODEL_LINEAR_H_
#define PACELINE_WORKER_MODEL_LINEAR_H_

#include "worker/model/layer.h"

namespace paceline {

class Linear : public Layer {
 public:
  Linear(uint64_t positions, uint64_t in, uint64_t units)
      : Layer(positions * in, positions * units), in_(in), units_(units) {}

  uint64_t parameter_elements() const override { return weight_elements() + units_; }

  absl::Status Forward(kernels::Kernels& kernels, const ForwardArguments& arguments) const override;

  // dW = x' dy, db = the column sums of dy, dx = dy W'.
  absl::Status Backward(kernels::Kernels& kernels,
                        const BackwardArguments& arguments) const override;

 private:
  uint64_t weight_elements() const { return in_ * units_; }
  kernels::ConstMatrix Weight(kernels::ConstArray parameters) const;

  const uint64_t in_;
  const uint64_t units_;
};

}  // namespace paceline

#endif  // PACELINE_WORKER_MODEL_LINEAR_H_
