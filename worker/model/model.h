// A model: the layers of a ModelSpec and the loss behind them, on one backend's memory.
//
// Shapes   Parameters and their gradient are one flat float32 vector, in the layout of
//          common/job/layer_plan.h.
// Units    Losses and gradients are SUMS over the samples of the batch, never means.
// Errors   Create: InvalidArgument, naming the layer, when the layers and the loss do not fit each
//          other. Gradient and Evaluate: InvalidArgument when sizes do not fit, a label is not one
//          that the loss allows or a word is not in the vocabulary (naming its row);
//          FailedPrecondition before the first SetParameters. On these nothing has been written.
//          What the backend's device reports (ResourceExhausted, Internal, Unavailable) passes
//          through; the gradient is then unspecified. Features that are no words are not looked at: whoever read them
//          has refused the ones that are not finite.
// Threads  One thread at a time.
//
// The gradient is the same bits for the same batch and parameters, whatever was computed before: no
// state is carried, one thread computes, and every sum has a fixed order. Memory is taken for the
// largest batch so far and kept; a step on a batch no larger allocates nothing.
#ifndef PACELINE_WORKER_MODEL_MODEL_H_
#define PACELINE_WORKER_MODEL_MODEL_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "kernels/kernels.h"
#include "worker/model/layer.h"
#include "worker/model/layer_stack.h"

namespace paceline::v1 {
class ModelSpec;
}  // namespace paceline::v1

namespace paceline {

struct Batch {
  uint64_t samples = 0;              // At least 1.
  absl::Span<const float> features;  // [samples, features], finite.
  absl::Span<const float> labels;    // [samples].
  // Of what the layers draw in training: with another key another draw.
  uint64_t random_key = 0;
};

struct BatchResult {
  double loss_sum = 0;
  uint64_t correct = 0;  // Samples predicted right; 0 for mse, which predicts no class.
  uint64_t samples = 0;
};

class Model {
 public:
  // `features` is the count of numbers in one sample.
  static absl::StatusOr<std::unique_ptr<Model>> Create(const v1::ModelSpec& spec, uint64_t features,
                                                       std::unique_ptr<kernels::Kernels> kernels);

  uint64_t features() const { return features_; }
  uint64_t outputs() const { return layers_->outputs(); }
  uint64_t parameter_elements() const { return layers_->parameter_elements(); }

  // Copies the parameters to the backend: once per version.
  absl::Status SetParameters(absl::Span<const float> flat);

  // Forward and backward: overwrites `gradient_sum`, [parameter_elements()].
  absl::StatusOr<BatchResult> Gradient(const Batch& batch, absl::Span<float> gradient_sum);

  // Forward only. `outputs`, if not empty, takes what the last layer gives, [samples, outputs()].
  absl::StatusOr<BatchResult> Evaluate(const Batch& batch, absl::Span<float> outputs = {});

 private:
  struct Options {
    kernels::Loss loss;
    float label_smoothing;
    uint64_t vocabulary;  // Of a model that takes words; else 0.
  };

  Model(uint64_t features, const Options& options, std::unique_ptr<LayerStack> layers,
        std::unique_ptr<kernels::Kernels> kernels);

  absl::Status ValidateBatch(const Batch& batch) const;
  absl::Status ValidateWords(absl::Span<const float> features) const;
  absl::Status ValidateLabels(absl::Span<const float> labels) const;
  absl::Status Reserve(uint64_t samples);

  absl::Status Forward(const Batch& batch, const Pass& pass);
  absl::Status ComputeLoss(uint64_t samples, kernels::Matrix gradient, float label_smoothing);
  absl::Status Backward(uint64_t samples, const Pass& pass);
  absl::StatusOr<BatchResult> Result(uint64_t samples);

  kernels::ConstMatrix Input(uint64_t samples) const;
  kernels::Matrix Output(const kernels::Buffer& buffer, uint64_t samples) const;

  // Constant after construction. The kernels come first: buffers must be gone before them.
  const uint64_t features_;
  const Options options_;
  const std::unique_ptr<LayerStack> layers_;
  const std::unique_ptr<kernels::Kernels> kernels_;
  std::unique_ptr<kernels::Buffer> parameters_;          // [parameter_elements]
  std::unique_ptr<kernels::Buffer> parameter_gradient_;  // [parameter_elements]

  bool has_parameters_ = false;

  // Scratch for up to `capacity_` samples; nothing in it outlives a call.
  uint64_t capacity_ = 0;
  std::unique_ptr<kernels::Buffer> batch_features_;   // [capacity, features]
  std::unique_ptr<kernels::Buffer> batch_labels_;     // [capacity]
  std::unique_ptr<kernels::Buffer> outputs_;          // [capacity, outputs]
  std::unique_ptr<kernels::Buffer> output_gradient_;  // [capacity, outputs]
  std::unique_ptr<kernels::Buffer> saved_;            // What the layers keep for backward.
  std::unique_ptr<kernels::Buffer> scratch_;          // What they use within a call.
  std::unique_ptr<kernels::Buffer> totals_;           // [2, samples]: losses, then hits
  std::vector<float> host_totals_;                    // [2, capacity]
};

}  // namespace paceline

#endif  // PACELINE_WORKER_MODEL_MODEL_H_
