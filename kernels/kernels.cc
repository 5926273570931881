#include "kernels/kernels.h"

#include <functional>
#include <initializer_list>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/base/check.h"
#include "common/base/status_macros.h"

namespace paceline::kernels {
namespace {

// BLAS counts rows and columns in 32-bit integers.
constexpr uint64_t kDimensionMax = std::numeric_limits<int32_t>::max();

absl::Status RequireMatrix(absl::string_view operation, absl::string_view name, ConstMatrix m) {
  if (m.rows < 1 || m.columns < 1 || m.rows > kDimensionMax || m.columns > kDimensionMax) {
    return absl::InvalidArgumentError(absl::StrCat(operation, ": ", name, " is [", m.rows, ", ",
                                                   m.columns, "], dimensions must be in [1, ",
                                                   kDimensionMax, "]"));
  }
  if (m.array.elements < m.rows * m.columns) {
    return absl::InvalidArgumentError(absl::StrCat(operation, ": ", name, " is [", m.rows, ", ",
                                                   m.columns, "] over only ", m.array.elements,
                                                   " elements"));
  }
  return absl::OkStatus();
}

absl::Status RequireElements(absl::string_view operation, absl::string_view name, uint64_t seen,
                             uint64_t wanted) {
  if (seen == wanted) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(operation, ": ", name, " has ", seen, " elements, wanted ", wanted));
}

// The elements a matrix covers, which may be fewer than its array has.
ConstArray Covered(ConstMatrix m) { return m.array.Slice(0, m.rows * m.columns); }

bool Disjoint(ConstArray a, ConstArray b) {
  const std::less_equal<const float*> at_or_before;
  return at_or_before(a.address + a.elements, b.address) ||
         at_or_before(b.address + b.elements, a.address);
}

absl::Status RequireDisjoint(absl::string_view operation, absl::string_view names, ConstArray a,
                             ConstArray b) {
  if (Disjoint(a, b)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(operation, ": ", names, " overlap"));
}

// Element-wise operations may write over an operand, but not shifted against it.
absl::Status RequireSameOrDisjoint(absl::string_view operation, ConstArray read,
                                   ConstArray written) {
  if (read.address == written.address) return absl::OkStatus();
  return RequireDisjoint(operation, "operand and result", read, written);
}

absl::Status RequireShape(absl::string_view operation, absl::string_view name, ConstMatrix m,
                          uint64_t rows, uint64_t columns) {
  RETURN_IF_ERROR(RequireMatrix(operation, name, m));
  if (m.rows == rows && m.columns == columns) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(operation, ": ", name, " is [", m.rows, ", ",
                                                 m.columns, "], wanted [", rows, ", ", columns,
                                                 "]"));
}

// What is written overlaps neither what is read nor each other.
absl::Status RequireWritten(absl::string_view operation, std::initializer_list<ConstArray> read,
                            std::initializer_list<ConstArray> written) {
  for (auto w = written.begin(); w != written.end(); ++w) {
    for (const ConstArray& r : read) {
      RETURN_IF_ERROR(RequireDisjoint(operation, "an operand and a result", r, *w));
    }
    for (auto other = written.begin(); other != w; ++other) {
      RETURN_IF_ERROR(RequireDisjoint(operation, "two results", *other, *w));
    }
  }
  return absl::OkStatus();
}

absl::Status RequireWindows(absl::string_view operation, const Windows& w) {
  const bool positive = w.height >= 1 && w.width >= 1 && w.channels >= 1 && w.window_height >= 1 &&
                        w.window_width >= 1 && w.stride_height >= 1 && w.stride_width >= 1;
  const bool small = w.height <= kDimensionMax && w.width <= kDimensionMax &&
                     w.channels <= kDimensionMax && w.stride_height <= kDimensionMax &&
                     w.stride_width <= kDimensionMax;
  if (positive && small && w.padding_height < w.window_height && w.padding_width < w.window_width &&
      w.window_height <= w.height + 2 * w.padding_height &&
      w.window_width <= w.width + 2 * w.padding_width) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(
      operation, ": windows of [", w.window_height, ", ", w.window_width, "], stride [",
      w.stride_height, ", ", w.stride_width, "], padding [", w.padding_height, ", ",
      w.padding_width, "] do not lie over [", w.height, ", ", w.width, ", ", w.channels, "]"));
}

absl::Status RequirePool(absl::string_view operation, const Windows& w, ConstMatrix input,
                         ConstMatrix output) {
  RETURN_IF_ERROR(RequireWindows(operation, w));
  if (w.padding_height != 0 || w.padding_width != 0) {
    return absl::InvalidArgumentError(absl::StrCat(operation, ": padding, wanted none"));
  }
  RETURN_IF_ERROR(RequireShape(operation, "input", input, input.rows, w.sample_elements()));
  return RequireShape(operation, "output", output, input.rows, w.positions() * w.channels);
}

absl::Status RequireAttention(absl::string_view operation, const AttentionShape& s, ConstMatrix qkv,
                              ConstMatrix output) {
  for (const uint64_t dimension : {s.samples, s.length, s.heads, s.head_width}) {
    if (dimension >= 1 && dimension <= (1 << 20)) continue;
    return absl::InvalidArgumentError(
        absl::StrCat(operation, ": a dimension is ", dimension, ", wanted 1..1048576"));
  }
  const uint64_t rows = s.samples * s.length;
  RETURN_IF_ERROR(RequireShape(operation, "qkv", qkv, rows, 3 * s.width()));
  return RequireShape(operation, "output", output, rows, s.width());
}

absl::Status ValidateLoss(Loss loss, const LossArguments& a) {
  RETURN_IF_ERROR(RequireMatrix("loss", "outputs", a.outputs));
  const uint64_t samples = a.outputs.rows;
  if (loss != Loss::kSoftmaxCrossEntropy && a.outputs.columns != 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("loss: outputs have ", a.outputs.columns, " columns, wanted 1"));
  }
  const bool smooths = a.label_smoothing != 0;
  if (smooths &&
      (loss != Loss::kSoftmaxCrossEntropy || !(a.label_smoothing > 0 && a.label_smoothing < 1))) {
    return absl::InvalidArgumentError(absl::StrCat("loss: label smoothing is ", a.label_smoothing,
                                                   ", wanted [0, 1), and 0 but for softmax"));
  }
  RETURN_IF_ERROR(RequireElements("loss", "labels", a.labels.elements, samples));
  RETURN_IF_ERROR(RequireElements("loss", "losses", a.losses.elements, samples));
  RETURN_IF_ERROR(RequireElements("loss", "correct", a.correct.elements, samples));
  const ConstArray outputs = Covered(a.outputs);
  for (const Array& written : {a.losses, a.correct}) {
    RETURN_IF_ERROR(RequireDisjoint("loss", "outputs and a result", outputs, written));
    RETURN_IF_ERROR(RequireDisjoint("loss", "labels and a result", a.labels, written));
  }
  RETURN_IF_ERROR(RequireDisjoint("loss", "losses and correct", a.losses, a.correct));
  if (a.gradient.rows == 0) return absl::OkStatus();
  RETURN_IF_ERROR(RequireMatrix("loss", "gradient", a.gradient));
  RETURN_IF_ERROR(RequireElements("loss", "gradient", a.gradient.rows, a.outputs.rows));
  RETURN_IF_ERROR(RequireElements("loss", "gradient row", a.gradient.columns, a.outputs.columns));
  const Array gradient = a.gradient.array.Slice(0, outputs.elements);
  for (const ConstArray& other : {a.labels, ConstArray(a.losses), ConstArray(a.correct)}) {
    RETURN_IF_ERROR(RequireDisjoint("loss", "gradient and another operand", other, gradient));
  }
  return RequireSameOrDisjoint("loss", outputs, gradient);
}

}  // namespace

Array Array::Slice(uint64_t begin, uint64_t count) const {
  PACELINE_CHECK(begin <= elements && count <= elements - begin);
  return {address + begin, count};
}

ConstArray ConstArray::Slice(uint64_t begin, uint64_t count) const {
  PACELINE_CHECK(begin <= elements && count <= elements - begin);
  return {address + begin, count};
}

absl::StatusOr<std::unique_ptr<Buffer>> Kernels::Allocate(uint64_t elements) {
  constexpr uint64_t kElementsMax = std::numeric_limits<int64_t>::max() / sizeof(float);
  if (elements < 1 || elements > kElementsMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("allocate: ", elements, " elements, wanted 1..", kElementsMax));
  }
  return DoAllocate(elements);
}

absl::Status Kernels::Upload(absl::Span<const float> source, Array target) {
  RETURN_IF_ERROR(RequireElements("upload", "source", source.size(), target.elements));
  return source.empty() ? absl::OkStatus() : DoUpload(source, target);
}

absl::Status Kernels::Download(ConstArray source, absl::Span<float> target) {
  RETURN_IF_ERROR(RequireElements("download", "target", target.size(), source.elements));
  return target.empty() ? Synchronize() : DoDownload(source, target);
}

absl::Status Kernels::Matmul(Operand a, Operand b, Matrix c, MatmulScale scale) {
  RETURN_IF_ERROR(RequireMatrix("matmul", "a", a.matrix));
  RETURN_IF_ERROR(RequireMatrix("matmul", "b", b.matrix));
  RETURN_IF_ERROR(RequireMatrix("matmul", "c", c));
  const uint64_t a_rows = a.transposed ? a.matrix.columns : a.matrix.rows;
  const uint64_t a_columns = a.transposed ? a.matrix.rows : a.matrix.columns;
  const uint64_t b_rows = b.transposed ? b.matrix.columns : b.matrix.rows;
  const uint64_t b_columns = b.transposed ? b.matrix.rows : b.matrix.columns;
  if (a_columns != b_rows || c.rows != a_rows || c.columns != b_columns) {
    return absl::InvalidArgumentError(
        absl::StrCat("matmul: [", a_rows, ", ", a_columns, "] times [", b_rows, ", ", b_columns,
                     "] does not give [", c.rows, ", ", c.columns, "]"));
  }
  RETURN_IF_ERROR(RequireDisjoint("matmul", "a and c", Covered(a.matrix), Covered(c)));
  RETURN_IF_ERROR(RequireDisjoint("matmul", "b and c", Covered(b.matrix), Covered(c)));
  return DoMatmul(a, b, c, scale);
}

absl::Status Kernels::AddBiasRows(ConstArray bias, Matrix rows) {
  RETURN_IF_ERROR(RequireMatrix("add_bias_rows", "rows", rows));
  RETURN_IF_ERROR(RequireElements("add_bias_rows", "bias", bias.elements, rows.columns));
  RETURN_IF_ERROR(RequireDisjoint("add_bias_rows", "bias and rows", bias, Covered(rows)));
  return DoAddBiasRows(bias, rows);
}

absl::Status Kernels::ColumnSums(ConstMatrix rows, Array sums) {
  RETURN_IF_ERROR(RequireMatrix("column_sums", "rows", rows));
  RETURN_IF_ERROR(RequireElements("column_sums", "sums", sums.elements, rows.columns));
  RETURN_IF_ERROR(RequireDisjoint("column_sums", "rows and sums", Covered(rows), sums));
  return DoColumnSums(rows, sums);
}

absl::Status Kernels::Activate(Activation activation, ConstArray input, Array output) {
  RETURN_IF_ERROR(RequireElements("activate", "output", output.elements, input.elements));
  if (input.elements == 0) return absl::OkStatus();
  RETURN_IF_ERROR(RequireSameOrDisjoint("activate", input, output));
  return DoActivate(activation, input, output);
}

absl::Status Kernels::ActivateBackward(Activation activation, ConstArray output,
                                       ConstArray output_gradient, Array input_gradient) {
  RETURN_IF_ERROR(RequireElements("activate_backward", "output_gradient", output_gradient.elements,
                                  output.elements));
  RETURN_IF_ERROR(RequireElements("activate_backward", "input_gradient", input_gradient.elements,
                                  output.elements));
  if (output.elements == 0) return absl::OkStatus();
  RETURN_IF_ERROR(RequireSameOrDisjoint("activate_backward", output, input_gradient));
  RETURN_IF_ERROR(RequireSameOrDisjoint("activate_backward", output_gradient, input_gradient));
  return DoActivateBackward(activation, output, output_gradient, input_gradient);
}

absl::Status Kernels::Gelu(ConstArray input, Array output) {
  RETURN_IF_ERROR(RequireElements("gelu", "output", output.elements, input.elements));
  if (input.elements == 0) return absl::OkStatus();
  RETURN_IF_ERROR(RequireSameOrDisjoint("gelu", input, output));
  return DoGelu(input, output);
}

absl::Status Kernels::GeluBackward(ConstArray input, ConstArray output_gradient,
                                   Array input_gradient) {
  RETURN_IF_ERROR(RequireElements("gelu_backward", "output_gradient", output_gradient.elements,
                                  input.elements));
  RETURN_IF_ERROR(
      RequireElements("gelu_backward", "input_gradient", input_gradient.elements, input.elements));
  if (input.elements == 0) return absl::OkStatus();
  RETURN_IF_ERROR(RequireSameOrDisjoint("gelu_backward", input, input_gradient));
  RETURN_IF_ERROR(RequireSameOrDisjoint("gelu_backward", output_gradient, input_gradient));
  return DoGeluBackward(input, output_gradient, input_gradient);
}

absl::Status Kernels::Softmax(ConstMatrix input, Matrix output) {
  RETURN_IF_ERROR(RequireMatrix("softmax", "input", input));
  RETURN_IF_ERROR(RequireShape("softmax", "output", output, input.rows, input.columns));
  RETURN_IF_ERROR(RequireSameOrDisjoint("softmax", Covered(input), Covered(output)));
  return DoSoftmax(input, output);
}

absl::Status Kernels::SoftmaxBackward(ConstMatrix output, ConstMatrix output_gradient,
                                      Matrix input_gradient) {
  constexpr char kName[] = "softmax_backward";
  RETURN_IF_ERROR(RequireMatrix(kName, "output", output));
  for (const ConstMatrix& m : {output_gradient, ConstMatrix(input_gradient)}) {
    RETURN_IF_ERROR(RequireShape(kName, "a gradient", m, output.rows, output.columns));
  }
  const ConstArray written = Covered(input_gradient);
  RETURN_IF_ERROR(RequireSameOrDisjoint(kName, Covered(output), written));
  RETURN_IF_ERROR(RequireSameOrDisjoint(kName, Covered(output_gradient), written));
  return DoSoftmaxBackward(output, output_gradient, input_gradient);
}

absl::Status Kernels::Dropout(RandomDraw draw, ConstArray input, Array output) {
  if (!(draw.rate >= 0 && draw.rate < 1)) {
    return absl::InvalidArgumentError(
        absl::StrCat("dropout: rate is ", draw.rate, ", wanted [0, 1)"));
  }
  RETURN_IF_ERROR(RequireElements("dropout", "output", output.elements, input.elements));
  if (input.elements == 0) return absl::OkStatus();
  RETURN_IF_ERROR(RequireSameOrDisjoint("dropout", input, output));
  return DoDropout(draw, input, output);
}

absl::Status Kernels::LayerNorm(float epsilon, ConstMatrix input, ConstArray scale, ConstArray bias,
                                Matrix output, Matrix statistics) {
  constexpr char kName[] = "layer_norm";
  RETURN_IF_ERROR(RequireMatrix(kName, "input", input));
  RETURN_IF_ERROR(RequireShape(kName, "output", output, input.rows, input.columns));
  RETURN_IF_ERROR(RequireShape(kName, "statistics", statistics, input.rows, 2));
  RETURN_IF_ERROR(RequireElements(kName, "scale", scale.elements, input.columns));
  RETURN_IF_ERROR(RequireElements(kName, "bias", bias.elements, input.columns));
  RETURN_IF_ERROR(RequireWritten(kName, {Covered(input), scale, bias},
                                 {Covered(output), Covered(statistics)}));
  return DoLayerNorm(epsilon, input, scale, bias, output, statistics);
}

absl::Status Kernels::LayerNormBackward(const LayerNormBackwardArguments& a) {
  constexpr char kName[] = "layer_norm_backward";
  RETURN_IF_ERROR(RequireMatrix(kName, "input", a.input));
  const uint64_t rows = a.input.rows, columns = a.input.columns;
  RETURN_IF_ERROR(RequireShape(kName, "output_gradient", a.output_gradient, rows, columns));
  RETURN_IF_ERROR(RequireShape(kName, "statistics", a.statistics, rows, 2));
  RETURN_IF_ERROR(RequireElements(kName, "scale", a.scale.elements, columns));
  RETURN_IF_ERROR(RequireElements(kName, "scale_gradient", a.scale_gradient.elements, columns));
  RETURN_IF_ERROR(RequireElements(kName, "bias_gradient", a.bias_gradient.elements, columns));
  ConstArray input_gradient;
  if (a.input_gradient.rows > 0) {
    RETURN_IF_ERROR(RequireShape(kName, "input_gradient", a.input_gradient, rows, columns));
    input_gradient = Covered(a.input_gradient);
  }
  RETURN_IF_ERROR(RequireWritten(
      kName, {Covered(a.input), a.scale, Covered(a.statistics), Covered(a.output_gradient)},
      {a.scale_gradient, a.bias_gradient, input_gradient}));
  return DoLayerNormBackward(a);
}

absl::Status Kernels::Unfold(const Windows& w, ConstMatrix input, Matrix unfolded) {
  RETURN_IF_ERROR(RequireWindows("unfold", w));
  RETURN_IF_ERROR(RequireShape("unfold", "input", input, input.rows, w.sample_elements()));
  RETURN_IF_ERROR(RequireShape("unfold", "unfolded", unfolded, input.rows * w.positions(),
                               w.window_elements()));
  RETURN_IF_ERROR(RequireWritten("unfold", {Covered(input)}, {Covered(unfolded)}));
  return DoUnfold(w, input, unfolded);
}

absl::Status Kernels::Fold(const Windows& w, ConstMatrix unfolded, Matrix samples) {
  RETURN_IF_ERROR(RequireWindows("fold", w));
  RETURN_IF_ERROR(RequireShape("fold", "samples", samples, samples.rows, w.sample_elements()));
  RETURN_IF_ERROR(RequireShape("fold", "unfolded", unfolded, samples.rows * w.positions(),
                               w.window_elements()));
  RETURN_IF_ERROR(RequireWritten("fold", {Covered(unfolded)}, {Covered(samples)}));
  return DoFold(w, unfolded, samples);
}

absl::Status Kernels::MaxPool(const Windows& w, ConstMatrix input, Matrix output, Array winners) {
  RETURN_IF_ERROR(RequirePool("max_pool", w, input, output));
  RETURN_IF_ERROR(
      RequireElements("max_pool", "winners", winners.elements, Covered(output).elements));
  RETURN_IF_ERROR(RequireWritten("max_pool", {Covered(input)}, {Covered(output), winners}));
  return DoMaxPool(w, input, output, winners);
}

absl::Status Kernels::MaxPoolBackward(const Windows& w, ConstArray winners,
                                      ConstMatrix output_gradient, Matrix input_gradient) {
  constexpr char kName[] = "max_pool_backward";
  RETURN_IF_ERROR(RequirePool(kName, w, input_gradient, output_gradient));
  RETURN_IF_ERROR(
      RequireElements(kName, "winners", winners.elements, Covered(output_gradient).elements));
  RETURN_IF_ERROR(
      RequireWritten(kName, {Covered(output_gradient), winners}, {Covered(input_gradient)}));
  return DoMaxPoolBackward(w, winners, output_gradient, input_gradient);
}

absl::Status Kernels::AveragePool(const Windows& w, ConstMatrix input, Matrix output) {
  RETURN_IF_ERROR(RequirePool("average_pool", w, input, output));
  RETURN_IF_ERROR(RequireWritten("average_pool", {Covered(input)}, {Covered(output)}));
  return DoAveragePool(w, input, output);
}

absl::Status Kernels::AveragePoolBackward(const Windows& w, ConstMatrix output_gradient,
                                          Matrix input_gradient) {
  constexpr char kName[] = "average_pool_backward";
  RETURN_IF_ERROR(RequirePool(kName, w, input_gradient, output_gradient));
  RETURN_IF_ERROR(RequireWritten(kName, {Covered(output_gradient)}, {Covered(input_gradient)}));
  return DoAveragePoolBackward(w, output_gradient, input_gradient);
}

absl::Status Kernels::GatherRows(ConstMatrix table, ConstArray ids, Matrix rows) {
  RETURN_IF_ERROR(RequireMatrix("gather_rows", "table", table));
  RETURN_IF_ERROR(RequireShape("gather_rows", "rows", rows, ids.elements, table.columns));
  RETURN_IF_ERROR(RequireWritten("gather_rows", {Covered(table), ids}, {Covered(rows)}));
  return DoGatherRows(table, ids, rows);
}

absl::Status Kernels::SumRowsById(ConstMatrix rows, ConstArray ids, Matrix sums) {
  RETURN_IF_ERROR(RequireMatrix("sum_rows_by_id", "sums", sums));
  RETURN_IF_ERROR(RequireShape("sum_rows_by_id", "rows", rows, ids.elements, sums.columns));
  RETURN_IF_ERROR(RequireWritten("sum_rows_by_id", {Covered(rows), ids}, {Covered(sums)}));
  return DoSumRowsById(rows, ids, sums);
}

absl::Status Kernels::Attention(const AttentionShape& s, ConstMatrix qkv, Array probabilities,
                                Matrix output) {
  constexpr char kName[] = "attention";
  RETURN_IF_ERROR(RequireAttention(kName, s, qkv, output));
  RETURN_IF_ERROR(
      RequireElements(kName, "probabilities", probabilities.elements, s.probabilities()));
  RETURN_IF_ERROR(RequireWritten(kName, {Covered(qkv)}, {Covered(output), probabilities}));
  return DoAttention(s, qkv, probabilities, output);
}

absl::Status Kernels::AttentionBackward(const AttentionShape& s, ConstMatrix qkv,
                                        ConstArray probabilities, ConstMatrix output_gradient,
                                        Array scratch, Matrix qkv_gradient) {
  constexpr char kName[] = "attention_backward";
  RETURN_IF_ERROR(RequireAttention(kName, s, qkv, output_gradient));
  RETURN_IF_ERROR(RequireShape(kName, "qkv_gradient", qkv_gradient, qkv.rows, qkv.columns));
  for (const ConstArray& a : {probabilities, ConstArray(scratch)}) {
    RETURN_IF_ERROR(
        RequireElements(kName, "probabilities or scratch", a.elements, s.probabilities()));
  }
  RETURN_IF_ERROR(RequireWritten(kName, {Covered(qkv), probabilities, Covered(output_gradient)},
                                 {scratch, Covered(qkv_gradient)}));
  return DoAttentionBackward(s, qkv, probabilities, output_gradient, scratch, qkv_gradient);
}

absl::Status Kernels::ComputeLoss(Loss loss, const LossArguments& arguments) {
  RETURN_IF_ERROR(ValidateLoss(loss, arguments));
  return DoComputeLoss(loss, arguments);
}

absl::Status Kernels::Axpy(float alpha, ConstArray x, Array y) {
  RETURN_IF_ERROR(RequireElements("axpy", "y", y.elements, x.elements));
  if (x.elements == 0) return absl::OkStatus();
  RETURN_IF_ERROR(RequireSameOrDisjoint("axpy", x, y));
  return DoAxpy(alpha, x, y);
}

absl::Status Kernels::Scale(float alpha, Array x) {
  return x.elements == 0 ? absl::OkStatus() : DoScale(alpha, x);
}

absl::Status Kernels::Add(ConstArray x, ConstArray y, Array sum) {
  RETURN_IF_ERROR(RequireElements("add", "y", y.elements, x.elements));
  RETURN_IF_ERROR(RequireElements("add", "sum", sum.elements, x.elements));
  if (x.elements == 0) return absl::OkStatus();
  RETURN_IF_ERROR(RequireSameOrDisjoint("add", x, sum));
  RETURN_IF_ERROR(RequireSameOrDisjoint("add", y, sum));
  return DoAdd(x, y, sum);
}

absl::Status Kernels::Fill(float value, Array x) {
  return x.elements == 0 ? absl::OkStatus() : DoFill(value, x);
}

absl::Status Kernels::Copy(ConstArray x, Array copy) {
  RETURN_IF_ERROR(RequireElements("copy", "copy", copy.elements, x.elements));
  if (x.elements == 0) return absl::OkStatus();
  RETURN_IF_ERROR(RequireDisjoint("copy", "operand and result", x, copy));
  return DoCopy(x, copy);
}

}  // namespace paceline::kernels
