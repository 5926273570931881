// Convolution: a linear layer over every window, in two dimensions or, of height 1, in one.
//
// Shapes   A sample: [height, width, in] to [rows, columns, channels] of the windows. Parameters:
//          weight [window_height, window_width, in, channels], row-major, then bias [channels].
// Errors, threads  As Layer.
// Source   Chellapilla et al., "High Performance Convolutional Neural Networks for Document
//          Processing", 2006: windows are unfolded into rows, and the rest is a product.
//
// Samples are unfolded a few at a time, as many as the kernels ask for; the weight's gradient adds
// these portions in order.
#ifndef PACELINE_WORKER_MODEL_CONVOLUTION_H_
#define PACELINE_WORKER_MODEL_CONVOLUTION_H_

#include "worker/model/layer.h"

namespace paceline {

class Convolution : public Layer {
 public:
  Convolution(const kernels::Windows& windows, uint64_t channels)
      : Layer(windows.sample_elements(), windows.positions() * channels),
        windows_(windows),
        channels_(channels) {}

  uint64_t parameter_elements() const override { return weight_elements() + channels_; }
  uint64_t scratch_elements(const kernels::Kernels& kernels, uint64_t samples) const override;

  absl::Status Forward(kernels::Kernels& kernels, const ForwardArguments& arguments) const override;

  absl::Status Backward(kernels::Kernels& kernels,
                        const BackwardArguments& arguments) const override;

 private:
  uint64_t weight_elements() const { return windows_.window_elements() * channels_; }
  uint64_t unfolded_elements() const { return windows_.positions() * windows_.window_elements(); }
  uint64_t Portion(const kernels::Kernels& kernels, uint64_t samples) const;
  kernels::ConstMatrix Weight(kernels::ConstArray parameters) const;

  const kernels::Windows windows_;
  const uint64_t channels_;
};

}  // namespace paceline

#endif  // PACELINE_WORKER_MODEL_CONVOLUTION_H_
