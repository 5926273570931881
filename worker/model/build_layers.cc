#include "worker/model/build_layers.h"

#include <utility>

#include "common/base/check.h"
#include "worker/model/activation_layer.h"
#include "worker/model/attention.h"
#include "worker/model/convolution.h"
#include "worker/model/dropout.h"
#include "worker/model/embedding.h"
#include "worker/model/gelu.h"
#include "worker/model/layer_norm.h"
#include "worker/model/linear.h"
#include "worker/model/pool.h"
#include "worker/model/positional_embedding.h"
#include "worker/model/residual.h"
#include "worker/model/softmax.h"

namespace paceline {
namespace {

using kernels::Activation;
using kernels::Windows;

// Square windows over [height, width, channels], or runs over [length, channels].
Windows WindowsOver(const SampleShape& shape, uint64_t side, uint64_t stride, uint64_t padding) {
  Windows windows;
  windows.channels = shape.back();
  windows.width = shape[shape.size() - 2];
  windows.window_width = side;
  windows.stride_width = stride;
  windows.padding_width = padding;
  if (shape.size() == 2) return windows;
  windows.height = shape[0];
  windows.window_height = side;
  windows.stride_height = stride;
  windows.padding_height = padding;
  return windows;
}

Windows PoolWindows(const SampleShape& shape, const v1::PoolLayer& spec) {
  return WindowsOver(shape, spec.size(), StrideOf(spec), 0);
}

// One window over all positions.
Windows GlobalWindow(uint64_t positions, uint64_t channels) {
  Windows windows;
  windows.channels = channels;
  windows.width = windows.window_width = positions;
  return windows;
}

class Builder {
 public:
  std::unique_ptr<LayerStack> Stack(const std::vector<LayerPlan>& plans) {
    std::vector<std::unique_ptr<Layer>> layers;
    for (const LayerPlan& plan : plans) {
      std::unique_ptr<Layer> layer = One(plan);
      if (layer != nullptr) layers.push_back(std::move(layer));
    }
    return std::make_unique<LayerStack>(std::move(layers));
  }

 private:
  // Null for a layer that computes nothing.
  std::unique_ptr<Layer> One(const LayerPlan& plan) {
    const v1::LayerSpec& spec = *plan.spec;
    const uint64_t elements = ElementsOf(plan.input);
    const uint64_t width = plan.input.back();
    const uint64_t positions = elements / width;
    switch (spec.kind_case()) {
      case v1::LayerSpec::kLinear:
        return std::make_unique<Linear>(positions, width, spec.linear().units());
      case v1::LayerSpec::kRelu:
        return std::make_unique<ActivationLayer>(Activation::kRelu, elements);
      case v1::LayerSpec::kTanh:
        return std::make_unique<ActivationLayer>(Activation::kTanh, elements);
      case v1::LayerSpec::kSigmoid:
        return std::make_unique<ActivationLayer>(Activation::kSigmoid, elements);
      case v1::LayerSpec::kGelu:
        return std::make_unique<Gelu>(elements);
      case v1::LayerSpec::kSoftmax:
        return std::make_unique<Softmax>(positions, width);
      case v1::LayerSpec::kFlatten:
      case v1::LayerSpec::kReshape:
        return nullptr;
      case v1::LayerSpec::kDropout:
        return std::make_unique<Dropout>(elements, spec.dropout().rate(), dropouts_++);
      case v1::LayerSpec::kLayerNorm:
        return std::make_unique<LayerNorm>(positions, width, Epsilon(spec.layer_norm()));
      case v1::LayerSpec::kResidual:
        return std::make_unique<Residual>(Stack(plan.inner));
      case v1::LayerSpec::kConvolution:
        return std::make_unique<Convolution>(ConvolutionWindows(plan),
                                             spec.convolution().channels());
      case v1::LayerSpec::kMaxPool:
        return std::make_unique<Pool>(Pool::Kind::kMax, PoolWindows(plan.input, spec.max_pool()));
      case v1::LayerSpec::kAveragePool:
        return std::make_unique<Pool>(Pool::Kind::kAverage,
                                      PoolWindows(plan.input, spec.average_pool()));
      case v1::LayerSpec::kGlobalAveragePool:
        return std::make_unique<Pool>(Pool::Kind::kAverage, GlobalWindow(positions, width));
      case v1::LayerSpec::kEmbedding:
        return std::make_unique<Embedding>(elements, spec.embedding().vocabulary(),
                                           spec.embedding().width());
      case v1::LayerSpec::kPositionalEmbedding:
        return std::make_unique<PositionalEmbedding>(elements);
      case v1::LayerSpec::kAttention:
        return std::make_unique<Attention>(positions, width, HeadsOf(spec.attention()),
                                           spec.attention().causal());
      case v1::LayerSpec::KIND_NOT_SET:
        break;
    }
    PACELINE_CHECK(false);  // The planner refuses it.
    return nullptr;
  }

  // A spec that was not resolved has no defaults filled in.
  static float Epsilon(const v1::LayerNormLayer& spec) {
    return spec.has_epsilon() ? spec.epsilon() : 1e-5f;
  }
  static Windows ConvolutionWindows(const LayerPlan& plan) {
    const v1::ConvolutionLayer& spec = plan.spec->convolution();
    return WindowsOver(plan.input, KernelOf(spec), StrideOf(spec), spec.padding());
  }

  uint64_t dropouts_ = 0;  // So far.
};

}  // namespace

std::unique_ptr<LayerStack> BuildLayers(const std::vector<LayerPlan>& plans) {
  return Builder().Stack(plans);
}

}  // namespace paceline
