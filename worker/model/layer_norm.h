// Layer norm: the last dimension to mean 0 and variance 1, then times weight plus bias.
//
// Shapes   A sample: [positions, width]. Parameters: weight [width], then bias [width].
// Errors, threads  As Layer.
// Source   Ba et al., "Layer Normalization", 2016, arXiv:1607.06450.
#ifndef PACELINE_WORKER_MODEL_LAYER_NORM_H_
#define PACELINE_WORKER_MODEL_LAYER_NORM_H_

#include "worker/model/layer.h"

namespace paceline {

class LayerNorm : public Layer {
 public:
  LayerNorm(uint64_t positions, uint64_t width, float epsilon)
      : Layer(positions * width, positions * width),
        positions_(positions),
        width_(width),
        epsilon_(epsilon) {}

  uint64_t parameter_elements() const override { return 2 * width_; }
  uint64_t saved_elements(uint64_t samples) const override { return 2 * samples * positions_; }

  absl::Status Forward(kernels::Kernels& kernels, const ForwardArguments& arguments) const override;

  absl::Status Backward(kernels::Kernels& kernels,
                        const BackwardArguments& arguments) const override;

 private:
  const uint64_t positions_;
  const uint64_t width_;
  const float epsilon_;
};

}  // namespace paceline

#endif  // PACELINE_WORKER_MODEL_LAYER_NORM_H_
