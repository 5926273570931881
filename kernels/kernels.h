// Every numeric operation of the program, once: what a backend (CPU, CUDA) must be able to do.
//
// Shapes   Matrices are row-major float32 without padding, [rows, columns], both at least 1.
// Units    Elements are float32 counts, never bytes.
// Errors   InvalidArgument: shapes that do not fit, a dimension over 2^31 - 1, operands that
// overlap
//          in a way not named below; nothing has been written. Internal, Unavailable,
//          ResourceExhausted: the device's own failures; what the call writes is then unspecified.
//          An operation may return before it is done: its failure is then reported by a later call,
//          at the latest by Synchronize or Download.
// Threads  One Kernels object belongs to one thread at a time. Operations on one object take effect
//          in the order of the calls.
//
// The same call on the same operands gives the same bits every time, whatever was computed before:
// each backend sums in a fixed order of its own, which its signature names. The CPU backend is the
// specification; the others agree with it within rounding.
#ifndef PACELINE_KERNELS_KERNELS_H_
#define PACELINE_KERNELS_KERNELS_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace paceline::kernels {

// A run of float32 in the memory of the backend that allocated it. Callers pass it about; only that
// backend may read or write through `address`.
struct Array {
  float* address = nullptr;
  uint64_t elements = 0;

  // The part [begin, begin + count), which must lie inside.
  Array Slice(uint64_t begin, uint64_t count) const;
};

// As Array, read only.
struct ConstArray {
  ConstArray() = default;
  ConstArray(const float* at, uint64_t count) : address(at), elements(count) {}
  ConstArray(Array array) : address(array.address), elements(array.elements) {}  // NOLINT

  ConstArray Slice(uint64_t begin, uint64_t count) const;

  const float* address = nullptr;
  uint64_t elements = 0;
};

// [rows, columns] over the first rows * columns elements of an array.
struct Matrix {
  Array array;
  uint64_t rows = 0;
  uint64_t columns = 0;
};

// As Matrix, read only.
struct ConstMatrix {
  ConstMatrix() = default;
  ConstMatrix(ConstArray elements, uint64_t row_count, uint64_t column_count)
      : array(elements), rows(row_count), columns(column_count) {}
  ConstMatrix(Matrix m) : array(m.array), rows(m.rows), columns(m.columns) {}  // NOLINT

  ConstArray array;
  uint64_t rows = 0;
  uint64_t columns = 0;
};

// Owns memory of one backend. It must not outlive the Kernels object that allocated it.
class Buffer {
 public:
  virtual ~Buffer() = default;
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  Array array() const { return array_; }

 protected:
  explicit Buffer(Array array) : array_(array) {}

 private:
  const Array array_;
};

// A matrix as it enters a product.
struct Operand {
  ConstMatrix matrix;
  bool transposed = false;
};

struct MatmulScale {
  float alpha = 1;
  float beta = 0;  // 0: what the result held before is not read.
};

enum class Activation { kRelu, kTanh, kSigmoid };

enum class Loss {
  // -log softmax(row)[label]; the label is a class index. With label smoothing e it is 1 - e of
  // that plus e of the mean over all classes.
  kSoftmaxCrossEntropy,
  // -log of the probability that sigmoid(output) gives to the label, 0 or 1; one column.
  kSigmoidCrossEntropy,
  // (output - label)^2; one column.
  kSquaredError,
};

// One row a sample. A row's results depend on nothing but that row.
struct LossArguments {
  // [samples, width], what the last layer gave.
  ConstMatrix outputs;
  // [samples]. A label that the loss does not allow gives a loss of NaN, no hit and an unspecified
  // gradient, in its own row.
  ConstArray labels;
  // [samples], written: each sample's loss.
  Array losses;
  // [samples], written: 1 where the prediction is the label, else 0. The prediction is the first
  // largest output, or whether the output is above 0; squared error has none and writes 0.
  Array correct;
  // [samples, width], written: each sample's loss differentiated by its outputs. No rows: not
  // wanted. May be `outputs` itself.
  Matrix gradient;
  // Softmax only: the share of each label that is spread evenly over all classes, in [0, 1).
  float label_smoothing = 0;
};

// Numbers that a pass draws: number i depends on the key and i only (kernels/counter_bits.h).
struct RandomDraw {
  uint64_t key = 0;
  // Share of the elements to drop, in [0, 1).
  float rate = 0;
};

// How windows lie over samples of [height, width, channels]. A sequence [length, channels] is of
// height 1.
struct Windows {
  uint64_t height = 1, width = 1, channels = 1;
  uint64_t window_height = 1, window_width = 1;
  uint64_t stride_height = 1, stride_width = 1;
  uint64_t padding_height = 0, padding_width = 0;  // Zeros on each side; below the window's.

  // How many windows fit.
  uint64_t rows() const {
    return (height + 2 * padding_height - window_height) / stride_height + 1;
  }
  uint64_t columns() const { return (width + 2 * padding_width - window_width) / stride_width + 1; }
  uint64_t positions() const { return rows() * columns(); }
  uint64_t sample_elements() const { return height * width * channels; }
  uint64_t window_elements() const { return window_height * window_width * channels; }
};

// Self-attention over sequences of `length` positions of heads * head_width numbers.
struct AttentionShape {
  uint64_t samples = 1, length = 1, heads = 1, head_width = 1;
  bool causal = false;  // A position sees only itself and those before it.

  uint64_t width() const { return heads * head_width; }
  uint64_t probabilities() const { return samples * heads * length * length; }
};

// One row a position. Backward reads what forward read and wrote.
struct LayerNormBackwardArguments {
  ConstMatrix input;
  ConstArray scale;
  ConstMatrix statistics;
  ConstMatrix output_gradient;
  Array scale_gradient;   // [columns], overwritten.
  Array bias_gradient;    // [columns], overwritten.
  Matrix input_gradient;  // Overwritten; no rows: not wanted.
};

class Kernels {
 public:
  virtual ~Kernels() = default;

  // Elements that a layer should unfold at once: as many as keep this backend busy and, on a CPU,
  // stay in its cache.
  virtual uint64_t unfold_elements() const = 0;

  // One line for a log: which backend, on what.
  virtual std::string description() const = 0;

  // Names all that the bits of this backend's results depend on beside the operands and this
  // program's release: two objects with equal signatures give equal bits, on whatever machines.
  // "cpu openblas-0.3.21-Haswell libm-2.36-fma", "cuda sm_90 132-multiprocessors cublas-13.1.0".
  virtual std::string signature() const = 0;

  // Memory for `elements` >= 1 elements, of unspecified content.
  absl::StatusOr<std::unique_ptr<Buffer>> Allocate(uint64_t elements);

  // Copies in; `source` is free for reuse on return. Equal sizes.
  absl::Status Upload(absl::Span<const float> source, Array target);

  // Waits for everything before it, then copies out. Equal sizes.
  absl::Status Download(ConstArray source, absl::Span<float> target);

  // Waits until every operation so far is done, and reports the first failure among them.
  virtual absl::Status Synchronize() = 0;

  // c = alpha a b + beta c. `c` overlaps neither `a` nor `b`.
  absl::Status Matmul(Operand a, Operand b, Matrix c, MatmulScale scale = {});

  // Adds bias[j] to rows[i, j]. The bias lies outside the rows.
  absl::Status AddBiasRows(ConstArray bias, Matrix rows);

  // sums[j] = sum over i of rows[i, j]: the gradient of a bias. The sums lie outside the rows.
  absl::Status ColumnSums(ConstMatrix rows, Array sums);

  // output = activation(input), element by element; `output` may be `input`. NaN stays NaN.
  absl::Status Activate(Activation activation, ConstArray input, Array output);

  // input_gradient = output_gradient * activation'(input), where `output` is what Activate wrote;
  // `input_gradient` may be `output_gradient` or `output`. The slope of relu at 0 is 0.
  absl::Status ActivateBackward(Activation activation, ConstArray output,
                                ConstArray output_gradient, Array input_gradient);

  // output = x Phi(x), with Phi the normal distribution's, element by element; `output` may be
  // `input`. Backward reads the input.
  absl::Status Gelu(ConstArray input, Array output);
  absl::Status GeluBackward(ConstArray input, ConstArray output_gradient, Array input_gradient);

  // Each row's exponentials over their sum; `output` may be `input`. A row with NaN becomes NaN.
  absl::Status Softmax(ConstMatrix input, Matrix output);
  absl::Status SoftmaxBackward(ConstMatrix output, ConstMatrix output_gradient,
                               Matrix input_gradient);

  // output = 0 for the elements that `draw` drops and input / (1 - rate) for the others; `output`
  // may be `input`. Its own backward.
  absl::Status Dropout(RandomDraw draw, ConstArray input, Array output);

  // output = (input - mean) / sqrt(variance + epsilon) * scale + bias, row by row; `statistics`
  // [rows, 2] takes each row's mean and 1 / sqrt(variance + epsilon), for backward.
  absl::Status LayerNorm(float epsilon, ConstMatrix input, ConstArray scale, ConstArray bias,
                         Matrix output, Matrix statistics);
  absl::Status LayerNormBackward(const LayerNormBackwardArguments& arguments);

  // One row a window, [samples * positions, window_elements]: what it covers, row by row, channels
  // innermost; 0 in the padding. `input` is [samples, sample_elements].
  absl::Status Unfold(const Windows& windows, ConstMatrix input, Matrix unfolded);
  // The other way: each number of a sample becomes the sum of its copies.
  absl::Status Fold(const Windows& windows, ConstMatrix unfolded, Matrix samples);

  // The largest number of each window, channel by channel, NaN if it holds one: `output` is
  // [samples, positions * channels], `winners` as large: the first place in the window that has it.
  // No padding.
  absl::Status MaxPool(const Windows& windows, ConstMatrix input, Matrix output, Array winners);
  absl::Status MaxPoolBackward(const Windows& windows, ConstArray winners,
                               ConstMatrix output_gradient, Matrix input_gradient);

  // As MaxPool, the mean.
  absl::Status AveragePool(const Windows& windows, ConstMatrix input, Matrix output);
  absl::Status AveragePoolBackward(const Windows& windows, ConstMatrix output_gradient,
                                   Matrix input_gradient);

  // rows[i] = table[ids[i]]; a row of NaN for an id that is no row of the table.
  absl::Status GatherRows(ConstMatrix table, ConstArray ids, Matrix rows);
  // The other way: sums[k] = the sum of the rows whose id is k, in their order; others count
  // nowhere.
  absl::Status SumRowsById(ConstMatrix rows, ConstArray ids, Matrix sums);

  // `qkv` is [samples * length, 3 * width]: queries, keys and values, each of them head by head.
  // `probabilities`, [shape.probabilities()], takes each head's softmax, for backward; `output` is
  // [samples * length, width].
  absl::Status Attention(const AttentionShape& shape, ConstMatrix qkv, Array probabilities,
                         Matrix output);
  // `scratch` is as large as `probabilities`.
  absl::Status AttentionBackward(const AttentionShape& shape, ConstMatrix qkv,
                                 ConstArray probabilities, ConstMatrix output_gradient,
                                 Array scratch, Matrix qkv_gradient);

  // Losses, hits and, when wanted, the gradient of the SUM of the losses.
  absl::Status ComputeLoss(Loss loss, const LossArguments& arguments);

  // y += alpha x; `y` may be `x`.
  absl::Status Axpy(float alpha, ConstArray x, Array y);

  // x *= alpha.
  absl::Status Scale(float alpha, Array x);

  // sum = x + y; `sum` may be either.
  absl::Status Add(ConstArray x, ConstArray y, Array sum);

  // Every element becomes `value`.
  absl::Status Fill(float value, Array x);

  // copy = x.
  absl::Status Copy(ConstArray x, Array copy);

 private:
  // What a backend does. Arguments have passed the checks above; no array is empty.
  virtual absl::StatusOr<std::unique_ptr<Buffer>> DoAllocate(uint64_t elements) = 0;
  virtual absl::Status DoUpload(absl::Span<const float> source, Array target) = 0;
  virtual absl::Status DoDownload(ConstArray source, absl::Span<float> target) = 0;
  virtual absl::Status DoMatmul(Operand a, Operand b, Matrix c, MatmulScale scale) = 0;
  virtual absl::Status DoAddBiasRows(ConstArray bias, Matrix rows) = 0;
  virtual absl::Status DoColumnSums(ConstMatrix rows, Array sums) = 0;
  virtual absl::Status DoActivate(Activation activation, ConstArray input, Array output) = 0;
  virtual absl::Status DoActivateBackward(Activation activation, ConstArray output,
                                          ConstArray output_gradient, Array input_gradient) = 0;
  virtual absl::Status DoGelu(ConstArray input, Array output) = 0;
  virtual absl::Status DoGeluBackward(ConstArray input, ConstArray output_gradient,
                                      Array input_gradient) = 0;
  virtual absl::Status DoSoftmax(ConstMatrix input, Matrix output) = 0;
  virtual absl::Status DoSoftmaxBackward(ConstMatrix output, ConstMatrix output_gradient,
                                         Matrix input_gradient) = 0;
  virtual absl::Status DoDropout(RandomDraw draw, ConstArray input, Array output) = 0;
  virtual absl::Status DoLayerNorm(float epsilon, ConstMatrix input, ConstArray scale,
                                   ConstArray bias, Matrix output, Matrix statistics) = 0;
  virtual absl::Status DoLayerNormBackward(const LayerNormBackwardArguments& arguments) = 0;
  virtual absl::Status DoUnfold(const Windows& windows, ConstMatrix input, Matrix unfolded) = 0;
  virtual absl::Status DoFold(const Windows& windows, ConstMatrix unfolded, Matrix samples) = 0;
  virtual absl::Status DoMaxPool(const Windows& windows, ConstMatrix input, Matrix output,
                                 Array winners) = 0;
  virtual absl::Status DoMaxPoolBackward(const Windows& windows, ConstArray winners,
                                         ConstMatrix output_gradient, Matrix input_gradient) = 0;
  virtual absl::Status DoAveragePool(const Windows& windows, ConstMatrix input, Matrix output) = 0;
  virtual absl::Status DoAveragePoolBackward(const Windows& windows, ConstMatrix output_gradient,
                                             Matrix input_gradient) = 0;
  virtual absl::Status DoGatherRows(ConstMatrix table, ConstArray ids, Matrix rows) = 0;
  virtual absl::Status DoSumRowsById(ConstMatrix rows, ConstArray ids, Matrix sums) = 0;
  virtual absl::Status DoAttention(const AttentionShape& shape, ConstMatrix qkv,
                                   Array probabilities, Matrix output) = 0;
  virtual absl::Status DoAttentionBackward(const AttentionShape& shape, ConstMatrix qkv,
                                           ConstArray probabilities, ConstMatrix output_gradient,
                                           Array scratch, Matrix qkv_gradient) = 0;
  virtual absl::Status DoComputeLoss(Loss loss, const LossArguments& arguments) = 0;
  virtual absl::Status DoAxpy(float alpha, ConstArray x, Array y) = 0;
  virtual absl::Status DoScale(float alpha, Array x) = 0;
  virtual absl::Status DoAdd(ConstArray x, ConstArray y, Array sum) = 0;
  virtual absl::Status DoFill(float value, Array x) = 0;
  virtual absl::Status DoCopy(ConstArray x, Array copy) = 0;
};

}  // namespace paceline::kernels

#endif  // PACELINE_KERNELS_KERNELS_H_
