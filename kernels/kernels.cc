#include "kernels/kernels.h"

#include <functional>
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
absl::Status RequireSameOrDisjoint(absl::string_view operation, ConstArray read, Array written) {
  if (read.address == written.address) return absl::OkStatus();
  return RequireDisjoint(operation, "operand and result", read, written);
}

absl::Status ValidateLoss(Loss loss, const LossArguments& a) {
  RETURN_IF_ERROR(RequireMatrix("loss", "outputs", a.outputs));
  const uint64_t samples = a.outputs.rows;
  if (loss != Loss::kSoftmaxCrossEntropy && a.outputs.columns != 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("loss: outputs have ", a.outputs.columns, " columns, wanted 1"));
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

}  // namespace paceline::kernels
