#include "worker/data/dataset.h"

#include <algorithm>
#include <cstddef>

#include "common/base/check.h"

namespace paceline {
namespace {

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "AddTo hashes numbers as they lie");

void AddNumber(uint64_t number, Sha256* hash) { hash->Update(&number, sizeof(number)); }

template <typename T>
void AddNumbers(const T* numbers, size_t count, Sha256* hash) {
  hash->Update(numbers, count * sizeof(T));
}

void AddRow(const Rows& rows, uint64_t features, uint64_t row, Sha256* hash) {
  if (const auto* bytes = std::get_if<ByteRows>(&rows)) {
    AddNumbers(bytes->values.data() + row * features, features, hash);
  } else if (const auto* floats = std::get_if<FloatRows>(&rows)) {
    AddNumbers(floats->values.data() + row * features, features, hash);
  } else if (const auto* texts = std::get_if<TokenRows>(&rows)) {
    const uint64_t count = texts->begin[row + 1] - texts->begin[row];
    AddNumber(count, hash);
    AddNumbers(texts->tokens.data() + texts->begin[row], count, hash);
  } else {
    const auto& sparse = std::get<SparseRows>(rows);
    const uint64_t begin = sparse.begin[row];
    const uint64_t count = sparse.begin[row + 1] - begin;
    AddNumber(count, hash);
    AddNumbers(sparse.columns.data() + begin, count, hash);
    AddNumbers(sparse.values.data() + begin, count, hash);
  }
}

void Scale(const Scaling& scaling, absl::Span<float> sample) {
  for (size_t i = 0; i < sample.size(); ++i) {
    sample[i] = static_cast<float>((sample[i] - scaling.mean[i]) * scaling.inverse_deviation[i]);
  }
}

}  // namespace

void DenseRow(const Rows& rows, uint64_t row, absl::Span<float> out) {
  const size_t features = out.size();
  if (const auto* bytes = std::get_if<ByteRows>(&rows)) {
    const uint8_t* const from = bytes->values.data() + row * features;
    for (size_t i = 0; i < features; ++i) out[i] = static_cast<float>(from[i]) / 255.0f;
  } else if (const auto* floats = std::get_if<FloatRows>(&rows)) {
    std::copy_n(floats->values.data() + row * features, features, out.data());
  } else if (const auto* texts = std::get_if<TokenRows>(&rows)) {
    const uint64_t begin = texts->begin[row];
    const uint64_t count = texts->begin[row + 1] - begin;
    for (uint64_t i = 0; i < count; ++i) out[i] = static_cast<float>(texts->tokens[begin + i]);
    std::fill(out.begin() + count, out.end(), 0.0f);
  } else {
    const auto& sparse = std::get<SparseRows>(rows);
    std::fill(out.begin(), out.end(), 0.0f);
    for (uint64_t k = sparse.begin[row]; k < sparse.begin[row + 1]; ++k) {
      out[sparse.columns[k]] = sparse.values[k];
    }
  }
}

void Dataset::Gather(absl::Span<const uint64_t> indices, absl::Span<float> features_out,
                     absl::Span<float> labels_out) const {
  PACELINE_CHECK(features_out.size() == indices.size() * features);
  PACELINE_CHECK(labels_out.size() == indices.size());
  for (size_t i = 0; i < indices.size(); ++i) {
    PACELINE_CHECK(indices[i] < samples);
    const absl::Span<float> sample = features_out.subspan(i * features, features);
    DenseRow(*rows, RowOf(indices[i]), sample);
    if (scaling != nullptr) Scale(*scaling, sample);
    labels_out[i] = LabelOf(indices[i]);
  }
}

void Dataset::AddTo(Sha256* hash) const {
  AddNumber(samples, hash);
  AddNumber(shape.size(), hash);
  AddNumbers(shape.data(), shape.size(), hash);
  for (uint64_t i = 0; i < samples; ++i) AddRow(*rows, features, RowOf(i), hash);
  for (uint64_t i = 0; i < samples; ++i) {
    const float label = LabelOf(i);
    AddNumbers(&label, 1, hash);
  }
  AddNumber(scaling != nullptr, hash);
  if (scaling == nullptr) return;
  AddNumbers(scaling->mean.data(), features, hash);
  AddNumbers(scaling->inverse_deviation.data(), features, hash);
}

}  // namespace paceline
