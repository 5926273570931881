#include "worker/data/scaling.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"

namespace paceline {
namespace {

// Calls visit(feature, value) for every element that is stored, in order: for sparse rows the ones
// the file names, else all.
template <typename Visit>
void ForEachStored(const Dataset& dataset, Visit visit) {
  const auto* const sparse = std::get_if<SparseRows>(dataset.rows.get());
  std::vector<float> dense(sparse == nullptr ? dataset.features : 0);
  for (uint64_t i = 0; i < dataset.samples; ++i) {
    const uint64_t row = dataset.RowOf(i);
    if (sparse != nullptr) {
      for (uint64_t k = sparse->begin[row]; k < sparse->begin[row + 1]; ++k) {
        visit(sparse->columns[k], sparse->values[k]);
      }
      continue;
    }
    DenseRow(*dataset.rows, row, absl::MakeSpan(dense));
    for (size_t j = 0; j < dense.size(); ++j) visit(j, dense[j]);
  }
}

struct Column {
  uint64_t stored = 0;
  double sum = 0;
  float least = 0;
  float most = 0;
};

std::vector<Column> MeasureColumns(const Dataset& dataset) {
  std::vector<Column> columns(dataset.features);
  ForEachStored(dataset, [&](size_t j, float x) {
    Column& column = columns[j];
    column.sum += x;
    column.least = column.stored == 0 ? x : std::min(column.least, x);
    column.most = column.stored == 0 ? x : std::max(column.most, x);
    ++column.stored;
  });
  for (Column& column : columns) {
    if (column.stored == dataset.samples) continue;
    column.least = std::min(column.least, 0.0f);
    column.most = std::max(column.most, 0.0f);
  }
  return columns;
}

Scaling Measure(const Dataset& train) {
  const std::vector<Column> columns = MeasureColumns(train);
  const double n = static_cast<double>(train.samples);
  Scaling scaling;
  std::vector<double> squares(train.features, 0);
  for (const Column& column : columns) {
    // The mean of equal numbers, rounded, may differ from them; its deviation would not be 0.
    const bool is_constant = column.least == column.most;
    scaling.mean.push_back(is_constant ? double{column.least} : column.sum / n);
  }
  ForEachStored(train, [&](size_t j, float x) {
    const double distance = x - scaling.mean[j];
    squares[j] += distance * distance;
  });
  for (size_t j = 0; j < columns.size(); ++j) {
    const double zeros = static_cast<double>(train.samples - columns[j].stored);
    const double variance = (squares[j] + zeros * scaling.mean[j] * scaling.mean[j]) / n;
    const bool is_constant = columns[j].least == columns[j].most;
    scaling.inverse_deviation.push_back(is_constant ? 1 : 1 / std::sqrt(variance));
  }
  return scaling;
}

absl::Status CheckFits(const Dataset& eval, const Scaling& scaling) {
  const std::vector<Column> columns = MeasureColumns(eval);
  for (size_t j = 0; j < columns.size(); ++j) {
    for (const float x : {columns[j].least, columns[j].most}) {
      const double scaled = (x - scaling.mean[j]) * scaling.inverse_deviation[j];
      if (std::isfinite(static_cast<float>(scaled))) continue;
      return absl::InvalidArgumentError(absl::StrCat(
          eval.origin, ": feature ", j, " (counted from 0) is ", x,
          "; standardized as the training samples (mean ", scaling.mean[j], ", deviation ",
          1 / scaling.inverse_deviation[j], ") it does not fit a 32-bit float"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status Standardize(Dataset* train, Dataset* eval) {
  auto scaling = std::make_shared<const Scaling>(Measure(*train));
  if (eval->samples > 0) {
    const absl::Status status = CheckFits(*eval, *scaling);
    if (!status.ok()) return status;
    eval->scaling = scaling;
  }
  train->scaling = std::move(scaling);
  return absl::OkStatus();
}

}  // namespace paceline
