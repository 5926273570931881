// A sequence of random choices that one seed decides.
//
// Threads  One thread at a time.
#ifndef PACELINE_TESTS_SIM_RANDOM_H_
#define PACELINE_TESTS_SIM_RANDOM_H_

#include <cstdint>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/base/random.h"

namespace paceline::sim {

class Random {
 public:
  Random(uint64_t seed, absl::string_view purpose) : stream_(seed, purpose) {}

  uint64_t Bits() { return stream_.Bits(counter_++); }
  // Uniform in [0, bound); bound >= 1.
  uint64_t Below(uint64_t bound) { return Bits() % bound; }
  // Uniform in [low, high].
  uint64_t Between(uint64_t low, uint64_t high) { return low + Below(high - low + 1); }
  double Fraction() { return static_cast<double>(Bits() >> 11) * 0x1p-53; }
  bool Chance(double probability) { return Fraction() < probability; }
  absl::Duration Between(absl::Duration low, absl::Duration high) {
    const auto width = static_cast<uint64_t>(absl::ToInt64Nanoseconds(high - low));
    return low + absl::Nanoseconds(static_cast<int64_t>(Below(width + 1)));
  }

  absl::Duration Ms(int64_t low, int64_t high) {
    return Between(absl::Milliseconds(low), absl::Milliseconds(high));
  }

 private:
  RandomStream stream_;
  uint64_t counter_ = 0;
};

}  // namespace paceline::sim

#endif  // PACELINE_TESTS_SIM_RANDOM_H_
