#include "common/tensor/digest.h"

#include <cstddef>
#include <cstring>

namespace paceline {
namespace {

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "words are read as they lie in memory");

constexpr uint64_t kPrime1 = 0x9E3779B185EBCA87;
constexpr uint64_t kPrime2 = 0xC2B2AE3D27D4EB4F;
constexpr uint64_t kPrime3 = 0x165667B19E3779F9;
constexpr uint64_t kPrime4 = 0x85EBCA77C2B2AE63;
constexpr uint64_t kPrime5 = 0x27D4EB2F165667C5;

uint64_t RotateLeft(uint64_t x, int bits) { return (x << bits) | (x >> (64 - bits)); }

template <typename Word>
Word Read(const unsigned char* at) {
  Word word;
  std::memcpy(&word, at, sizeof(word));
  return word;
}

uint64_t Round(uint64_t lane, uint64_t word) {
  return RotateLeft(lane + word * kPrime2, 31) * kPrime1;
}

uint64_t Merge(uint64_t digest, uint64_t lane) {
  return (digest ^ Round(0, lane)) * kPrime1 + kPrime4;
}

uint64_t Avalanche(uint64_t digest) {
  digest = (digest ^ (digest >> 33)) * kPrime2;
  digest = (digest ^ (digest >> 29)) * kPrime3;
  return digest ^ (digest >> 32);
}

}  // namespace

uint64_t DigestOf(absl::Span<const float> floats, uint64_t seed) {
  const auto* at = reinterpret_cast<const unsigned char*>(floats.data());
  size_t left = floats.size() * sizeof(float);
  const uint64_t bytes = left;
  uint64_t digest = seed + kPrime5;
  if (left >= 32) {
    uint64_t a = seed + kPrime1 + kPrime2;
    uint64_t b = seed + kPrime2;
    uint64_t c = seed;
    uint64_t d = seed - kPrime1;
    for (; left >= 32; left -= 32, at += 32) {
      a = Round(a, Read<uint64_t>(at));
      b = Round(b, Read<uint64_t>(at + 8));
      c = Round(c, Read<uint64_t>(at + 16));
      d = Round(d, Read<uint64_t>(at + 24));
    }
    digest = RotateLeft(a, 1) + RotateLeft(b, 7) + RotateLeft(c, 12) + RotateLeft(d, 18);
    for (const uint64_t lane : {a, b, c, d}) digest = Merge(digest, lane);
  }
  digest += bytes;
  for (; left >= 8; left -= 8, at += 8) {
    digest = RotateLeft(digest ^ Round(0, Read<uint64_t>(at)), 27) * kPrime1 + kPrime4;
  }
  // Whole float32 only, so what is left is one of them or nothing.
  if (left > 0) {
    digest = RotateLeft(digest ^ (Read<uint32_t>(at) * kPrime1), 23) * kPrime2 + kPrime3;
  }
  return Avalanche(digest);
}

}  // namespace paceline
