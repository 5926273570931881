// Multi-head self-attention, with its projections: o = heads(x Wqkv + bqkv) Wout + bout.
//
// Shapes   A sample: [length, width]. Parameters: qkv.weight [width, 3 width], qkv.bias [3 width],
//          out.weight [width, width], out.bias [width].
// Errors, threads  As Layer.
// Source   Vaswani et al., "Attention Is All You Need", 2017, arXiv:1706.03762, section 3.2.
#ifndef PACELINE_WORKER_MODEL_ATTENTION_H_
#define PACELINE_WORKER_MODEL_ATTENTION_H_

#include "worker/model/layer.h"
#include "worker/model/linear.h"

namespace paceline {

class Attention : public Layer {
 public:
  Attention(uint64_t length, uint64_t width, uint64_t heads, bool causal);

  uint64_t parameter_elements() const override {
    return in_.parameter_elements() + out_.parameter_elements();
  }
  uint64_t saved_elements(uint64_t samples) const override;
  uint64_t scratch_elements(const kernels::Kernels& kernels, uint64_t samples) const override;

  absl::Status Forward(kernels::Kernels& kernels, const ForwardArguments& arguments) const override;

  absl::Status Backward(kernels::Kernels& kernels,
                        const BackwardArguments& arguments) const override;

 private:
  kernels::AttentionShape Shape(uint64_t samples) const;

  const uint64_t length_;
  const uint64_t heads_;
  const bool causal_;
  const Linear in_;   // To queries, keys and values.
  const Linear out_;  // From the heads' outputs.
};

}  // namespace paceline

#endif  // PACELINE_WORKER_MODEL_ATTENTION_H_
