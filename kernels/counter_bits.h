// Random numbers by counter, the same bits on every backend: SplitMix64 (Steele et al., OOPSLA
// 2014) started at `key`, its `counter`-th output. Any number of a stream without the ones before
// it.
//
// Threads  Pure functions; of host and device.
#ifndef PACELINE_KERNELS_COUNTER_BITS_H_
#define PACELINE_KERNELS_COUNTER_BITS_H_

#include <cstdint>

#ifdef __CUDACC__
#define PACELINE_HOST_DEVICE __host__ __device__
#else
#define PACELINE_HOST_DEVICE
#endif

namespace paceline::kernels {

// Uniform over all 64-bit values.
PACELINE_HOST_DEVICE inline uint64_t CounterBits(uint64_t key, uint64_t counter) {
  uint64_t x = key + (counter + 1) * 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

// Below this a 32-bit number is dropped: `rate` of them.
PACELINE_HOST_DEVICE inline uint64_t DropBelow(float rate) {
  return static_cast<uint64_t>(static_cast<double>(rate) * 4294967296.0);
}

// Whether element `index` is dropped: two elements share the halves of one 64-bit number.
PACELINE_HOST_DEVICE inline bool IsDropped(uint64_t key, uint64_t drop_below, uint64_t index) {
  const uint64_t half = CounterBits(key, index / 2) >> (32 * (index % 2)) & 0xffffffffu;
  return half < drop_below;
}

}  // namespace paceline::kernels

#endif  // PACELINE_KERNELS_COUNTER_BITS_H_
