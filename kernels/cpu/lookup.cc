#include "kernels/cpu/lookup.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

namespace paceline::kernels::cpu {
namespace {

// Any comparison with NaN is false, so NaN is no row.
bool IsRow(float id, uint64_t rows) {
  return id >= 0 && id < static_cast<float>(rows) && id == std::floor(id);
}

}  // namespace

void GatherRows(ConstMatrix table, ConstArray ids, Matrix rows) {
  const uint64_t columns = table.columns;
  for (uint64_t i = 0; i < ids.elements; ++i) {
    float* out = rows.array.address + i * columns;
    const float id = ids.address[i];
    if (IsRow(id, table.rows)) {
      std::copy_n(table.array.address + static_cast<uint64_t>(id) * columns, columns, out);
    } else {
      std::fill_n(out, columns, std::numeric_limits<float>::quiet_NaN());
    }
  }
}

void SumRowsById(ConstMatrix rows, ConstArray ids, Matrix sums) {
  const uint64_t columns = sums.columns;
  std::fill_n(sums.array.address, sums.rows * columns, 0.0f);
  for (uint64_t i = 0; i < ids.elements; ++i) {
    const float id = ids.address[i];
    if (!IsRow(id, sums.rows)) continue;
    const float* row = rows.array.address + i * columns;
    float* sum = sums.array.address + static_cast<uint64_t>(id) * columns;
    for (uint64_t j = 0; j < columns; ++j) sum[j] += row[j];
  }
}

}  // namespace paceline::kernels::cpu
