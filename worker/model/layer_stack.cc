#include "worker/model/layer_stack.h"

#include <algorithm>
#include <utility>

#include "common/base/check.h"
#include "common/base/status_macros.h"

namespace paceline {

namespace {

using kernels::Array;
using kernels::ConstArray;
using kernels::ConstMatrix;
using kernels::Kernels;
using kernels::Matrix;

// A cache line of float32: each array begins on one.
constexpr uint64_t kLine = 16;

uint64_t Lines(uint64_t elements) { return (elements + kLine - 1) / kLine * kLine; }

}  // namespace

LayerStack::LayerStack(std::vector<std::unique_ptr<Layer>> layers)
    : Layer(layers.front()->inputs(), layers.back()->outputs()), layers_(std::move(layers)) {
  uint64_t begin = 0;
  for (size_t i = 0; i < layers_.size(); ++i) {
    if (i > 0) {
      PACELINE_CHECK(layers_[i]->inputs() == layers_[i - 1]->outputs());
      widest_ = std::max(widest_, layers_[i]->inputs());
    }
    parameters_begin_.push_back(begin);
    begin += layers_[i]->parameter_elements();
  }
  parameters_begin_.push_back(begin);
}

uint64_t LayerStack::SavedBegin(size_t i, uint64_t samples) const {
  uint64_t begin = 0;
  for (size_t k = 0; k < i; ++k) {
    begin += Lines(layers_[k]->saved_elements(samples)) + Lines(samples * layers_[k]->outputs());
  }
  return begin;
}

uint64_t LayerStack::saved_elements(uint64_t samples) const {
  return SavedBegin(layers_.size() - 1, samples) + layers_.back()->saved_elements(samples);
}

uint64_t LayerStack::GradientElements(uint64_t samples) const { return Lines(samples * widest_); }

uint64_t LayerStack::scratch_elements(const Kernels& kernels, uint64_t samples) const {
  uint64_t largest = 0;
  for (const auto& layer : layers_) {
    largest = std::max(largest, layer->scratch_elements(kernels, samples));
  }
  return 2 * GradientElements(samples) + largest;
}

template <typename MatrixType, typename ArrayType>
MatrixType LayerStack::OutputIn(ArrayType saved, size_t i, uint64_t samples) const {
  const uint64_t begin = SavedBegin(i, samples) + Lines(layers_[i]->saved_elements(samples));
  const uint64_t width = layers_[i]->outputs();
  return {saved.Slice(begin, samples * width), samples, width};
}

absl::Status LayerStack::Forward(Kernels& kernels, const ForwardArguments& a) const {
  const uint64_t samples = a.input.rows;
  const uint64_t gradients = 2 * GradientElements(samples);
  ForwardArguments one = a;
  one.scratch = a.scratch.Slice(gradients, a.scratch.elements - gradients);
  for (size_t i = 0; i < layers_.size(); ++i) {
    const bool is_last = i + 1 == layers_.size();
    one.parameters = a.parameters.Slice(parameters_begin_[i], layers_[i]->parameter_elements());
    one.saved = a.saved.Slice(SavedBegin(i, samples), layers_[i]->saved_elements(samples));
    one.output = is_last ? a.output : OutputIn<Matrix>(a.saved, i, samples);
    RETURN_IF_ERROR(layers_[i]->Forward(kernels, one));
    one.input = one.output;
  }
  return absl::OkStatus();
}

absl::Status LayerStack::Backward(Kernels& kernels, const BackwardArguments& a) const {
  const uint64_t samples = a.input.rows;
  const uint64_t gradient_elements = GradientElements(samples);
  const bool to_the_end = a.input_gradient.rows > 0;
  BackwardArguments one = a;
  one.scratch = a.scratch.Slice(2 * gradient_elements, a.scratch.elements - 2 * gradient_elements);
  for (size_t i = layers_.size(); i-- > 0;) {
    const Layer& layer = *layers_[i];
    const uint64_t begin = parameters_begin_[i];
    one.input = i > 0 ? OutputIn<ConstMatrix>(a.saved, i - 1, samples) : a.input;
    one.parameters = a.parameters.Slice(begin, layer.parameter_elements());
    one.parameter_gradient = a.parameter_gradient.Slice(begin, layer.parameter_elements());
    one.saved = a.saved.Slice(SavedBegin(i, samples), layer.saved_elements(samples));
    // Behind `begin` there are no parameters before this layer's.
    const bool goes_on = to_the_end || begin > 0;
    one.input_gradient = {};
    if (goes_on && i == 0) one.input_gradient = a.input_gradient;
    if (goes_on && i > 0) {
      const Array room = a.scratch.Slice(i % 2 * gradient_elements, samples * layer.inputs());
      one.input_gradient = {room, samples, layer.inputs()};
    }
    RETURN_IF_ERROR(layer.Backward(kernels, one));
    if (!goes_on) break;
    one.output = one.input;
    one.output_gradient = one.input_gradient;
  }
  return absl::OkStatus();
}

}  // namespace paceline
