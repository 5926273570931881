// base ^ exponent from multiplications alone, so that every machine gets the same bits; std::pow
// may differ in the last place between mathematical libraries and CPUs.
#ifndef PACELINE_SERVER_OPTIMIZER_INTEGER_POWER_H_
#define PACELINE_SERVER_OPTIMIZER_INTEGER_POWER_H_

#include <cstdint>

namespace paceline {

inline double IntegerPower(double base, uint64_t exponent) {
  double power = 1;
  for (double square = base; exponent != 0; exponent >>= 1, square *= square) {
    if (exponent & 1) power *= square;
  }
  return power;
}

}  // namespace paceline

#endif  // PACELINE_SERVER_OPTIMIZER_INTEGER_POWER_H_
