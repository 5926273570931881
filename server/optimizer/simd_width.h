// The vector widths that element loops are compiled for; every width gives the same bits.
//
// Threads  Pure functions.
#ifndef PACELINE_SERVER_OPTIMIZER_SIMD_WIDTH_H_
#define PACELINE_SERVER_OPTIMIZER_SIMD_WIDTH_H_

namespace paceline {

enum class SimdWidth {
  kBaseline,  // What every CPU of the architecture has.
  kAvx2,
  kAvx512,  // AVX-512F.
};

// Whether this CPU and its operating system can run code of that width.
bool IsSupported(SimdWidth width);

// The widest that IsSupported.
SimdWidth WidestSimdWidth();

}  // namespace paceline

#endif  // PACELINE_SERVER_OPTIMIZER_SIMD_WIDTH_H_
