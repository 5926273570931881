#include "server/optimizer/global_norm.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "common/base/check.h"
#include "common/job/partitioning.h"
#include "common/tensor/square_sum.h"

namespace paceline {

void BlockSquareNorms(absl::Span<const float> gradient, absl::Span<const uint64_t> segment_elements,
                      double scale, std::vector<double>* out) {
  uint64_t begin = 0;
  for (const uint64_t elements : segment_elements) {
    PACELINE_CHECK(elements <= gradient.size() - begin);
    for (uint64_t block = 0; block < elements; block += kBlockElements) {
      const uint64_t count = std::min(kBlockElements, elements - block);
      out->push_back(SquareSum(gradient.subspan(begin + block, count)) * scale * scale);
    }
    begin += elements;
  }
  PACELINE_CHECK(begin == gradient.size());
}

double ClipFactor(double clip_global_norm, double total_square_norm) {
  const double norm = std::sqrt(total_square_norm);
  if (norm <= clip_global_norm) return 1;
  return clip_global_norm / norm;
}

}  // namespace paceline
