// A 64-bit digest of float32 arrays, to see whether two copies hold the same bits.
//
// Units    Two arrays that differ in any bit have different digests but for one chance in 2^64; it
//          is no protection against somebody who looks for two that do not.
// Threads  Pure functions.
// Source   XXH64 of the little-endian bytes, https://github.com/Cyan4973/xxHash, doc/
//          xxhash_spec.md; some 8 bytes a cycle.
#ifndef PACELINE_COMMON_TENSOR_DIGEST_H_
#define PACELINE_COMMON_TENSOR_DIGEST_H_

#include <cstdint>

#include "absl/types/span.h"

namespace paceline {

// For several arrays, give the digest of the one before as the next one's seed.
uint64_t DigestOf(absl::Span<const float> floats, uint64_t seed = 0);

}  // namespace paceline

#endif  // PACELINE_COMMON_TENSOR_DIGEST_H_
