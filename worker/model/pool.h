// Pooling: the largest number, or the mean, of each window, channel by channel. It has no
// parameters.
//
// Shapes   A sample: [height, width, channels] to [rows, columns, channels] of the windows.
// Errors, threads  As Layer.
#ifndef PACELINE_WORKER_MODEL_POOL_H_
#define PACELINE_WORKER_MODEL_POOL_H_

#include "worker/model/layer.h"

namespace paceline {

class Pool : public Layer {
 public:
  enum class Kind { kMax, kAverage };

  Pool(Kind kind, const kernels::Windows& windows)
      : Layer(windows.sample_elements(), windows.positions() * windows.channels),
        kind_(kind),
        windows_(windows) {}

  // Which place in its window each maximum came from.
  uint64_t saved_elements(uint64_t samples) const override {
    return kind_ == Kind::kMax ? samples * outputs() : 0;
  }

  absl::Status Forward(kernels::Kernels& kernels, const ForwardArguments& arguments) const override;

  absl::Status Backward(kernels::Kernels& kernels,
                        const BackwardArguments& arguments) const override;

 private:
  const Kind kind_;
  const kernels::Windows windows_;
};

}  // namespace paceline

#endif  // PACELINE_WORKER_MODEL_POOL_H_
