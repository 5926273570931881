#include "server/optimizer/simd_width.h"

namespace paceline {

bool IsSupported(SimdWidth width) {
  switch (width) {
    case SimdWidth::kBaseline:
      return true;
#if defined(__x86_64__)
    case SimdWidth::kAvx2:
      return __builtin_cpu_supports("avx2") != 0;
    case SimdWidth::kAvx512:
      return __builtin_cpu_supports("avx512f") != 0;
#else
    case SimdWidth::kAvx2:
    case SimdWidth::kAvx512:
      return false;
#endif
  }
  return false;
}

SimdWidth WidestSimdWidth() {
  if (IsSupported(SimdWidth::kAvx512)) return SimdWidth::kAvx512;
  if (IsSupported(SimdWidth::kAvx2)) return SimdWidth::kAvx2;
  return SimdWidth::kBaseline;
}

}  // namespace paceline
