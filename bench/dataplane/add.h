// store[i] += gradient[i], as fast as one core can.
#ifndef PACELINE_BENCH_DATAPLANE_ADD_H_
#define PACELINE_BENCH_DATAPLANE_ADD_H_

#include <cstddef>

namespace paceline::bench {

void Add(const float* gradient, size_t count, float* store);

}  // namespace paceline::bench

#endif  // PACELINE_BENCH_DATAPLANE_ADD_H_
