// Counter-based random numbers: a pure function of (key, counter), so that any process can draw the
// n-th number of a stream without drawing the ones before it.
//
// Threads  Pure functions.
// Source   Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", SC'11 (the idea); the mixing
//          function is SplitMix64's finaliser (Steele et al., OOPSLA 2014) applied twice.
#ifndef PACELINE_COMMON_BASE_RANDOM_H_
#define PACELINE_COMMON_BASE_RANDOM_H_

#include <cstdint>

#include "absl/strings/string_view.h"

namespace paceline {

// A stream of numbers, told apart from other streams of the same seed by `purpose`
// ("initial/layers.0.weight", "epoch").
class RandomStream {
 public:
  RandomStream(uint64_t seed, absl::string_view purpose);

  // The stream's `counter`-th number, uniform over all 64-bit values.
  uint64_t Bits(uint64_t counter) const;

  // Uniform in [0, 1): a multiple of 2^-24, hence exact in float32.
  float Uniform(uint64_t counter) const;

 private:
  uint64_t key_;
};

// A permutation of [0, size) that needs no memory: a keyed Feistel network walked until it lands
// inside the range. size >= 1.
class Permutation {
 public:
  Permutation(RandomStream stream, uint64_t epoch, uint64_t size);

  // The image of `index`, which is below size.
  uint64_t At(uint64_t index) const;

 private:
  uint64_t Round(uint64_t value) const;

  RandomStream stream_;
  uint64_t epoch_;
  uint64_t size_;
  int half_bits_;
};

}  // namespace paceline

#endif  // PACELINE_COMMON_BASE_RANDOM_H_
