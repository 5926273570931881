#include "bench/dataplane/add.h"

namespace paceline::bench {

__attribute__((target_clones("avx512f", "avx2", "default"))) void Add(
    const float* __restrict gradient, size_t count, float* __restrict store) {
  for (size_t i = 0; i < count; ++i) store[i] += gradient[i];
}

}  // namespace paceline::bench
