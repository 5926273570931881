// Samples and their labels in memory, gathered into the dense batches a model takes.
//
// Shapes   features_out: [n, features]; labels_out: [n].
// Units    IDX bytes are kept as bytes and gathered as value / 255.
// Threads  A Dataset is not written after it is made; any number of threads may gather.
#ifndef PACELINE_WORKER_DATA_DATASET_H_
#define PACELINE_WORKER_DATA_DATASET_H_

#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "absl/types/span.h"
#include "common/base/sha256.h"

namespace paceline {

// The most numbers one sample may have: a dense sample of 64 MiB. A single wrong index in a sparse
// file could otherwise ask for any amount of memory.
constexpr uint64_t kFeaturesMax = uint64_t{1} << 24;

// Every sample of a file, in the file's order.
struct ByteRows {
  std::vector<uint8_t> values;  // [rows, features]; v stands for v / 255.
};
struct FloatRows {
  std::vector<float> values;  // [rows, features], finite.
};
struct SparseRows {
  std::vector<uint64_t> begin;  // [rows + 1]; row r is elements begin[r]..begin[r + 1] of the two:
  std::vector<uint32_t> columns;  // ascending within a row, below features;
  std::vector<float> values;      // finite. All other columns are 0.
};
struct TokenRows {
  std::vector<uint64_t> begin;   // [rows + 1]; row r is tokens begin[r]..begin[r + 1],
  std::vector<uint32_t> tokens;  // at most features of them; behind them all columns are 0.
};
using Rows = std::variant<ByteRows, FloatRows, SparseRows, TokenRows>;

// x becomes (x - mean) * inverse_deviation, per feature.
struct Scaling {
  std::vector<double> mean;               // [features]
  std::vector<double> inverse_deviation;  // [features]; 1 where the feature is constant.
};

struct Dataset {
  uint64_t features = 0;
  uint64_t samples = 0;  // 0: no samples, and nothing below is set.

  // The file its labels come from, as errors name it.
  std::string origin;
  // Dimensions of one sample, outermost first; their product is `features`.
  std::vector<uint64_t> shape;
  // Names of the features, where the file gives them.
  std::vector<std::string> feature_names;

  // The file's rows and labels, shared by the datasets of a split.
  std::shared_ptr<const Rows> rows;
  std::shared_ptr<const std::vector<float>> labels;
  // Which rows are the samples, ascending. Null: all of them.
  std::shared_ptr<const std::vector<uint64_t>> chosen;
  // Null: features are gathered as they are in the file.
  std::shared_ptr<const Scaling> scaling;

  // The row of the file that is sample `index`; index < samples.
  uint64_t RowOf(uint64_t index) const { return chosen == nullptr ? index : (*chosen)[index]; }
  float LabelOf(uint64_t index) const { return (*labels)[RowOf(index)]; }

  // Writes the samples `indices` (each below `samples`) one after the other.
  void Gather(absl::Span<const uint64_t> indices, absl::Span<float> features_out,
              absl::Span<float> labels_out) const;

  // Adds the dimensions, every sample, every label and the scaling. Two files that decode to the
  // same numbers add the same bytes.
  void AddTo(Sha256* hash) const;
};

// Writes row `row`, unscaled and dense, to `out`: [features].
void DenseRow(const Rows& rows, uint64_t row, absl::Span<float> out);

}  // namespace paceline

#endif  // PACELINE_WORKER_DATA_DATASET_H_
