#include "common/base/random.h"

#include "common/base/check.h"

namespace paceline {
namespace {

uint64_t Mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

}  // namespace

RandomStream::RandomStream(uint64_t seed, absl::string_view purpose) : key_(Mix(seed)) {
  // FNV-1a, so that the key does not depend on the process (absl::Hash is seeded per process).
  uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : purpose) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  key_ = Mix(key_ ^ hash);
}

uint64_t RandomStream::Bits(uint64_t counter) const { return Mix(Mix(key_ ^ counter) + key_); }

float RandomStream::Uniform(uint64_t counter) const {
  return static_cast<float>(Bits(counter) >> 40) * 0x1p-24f;
}

Permutation::Permutation(RandomStream stream, uint64_t epoch, uint64_t size)
    : stream_(stream), epoch_(epoch), size_(size), half_bits_(1) {
  PACELINE_CHECK(size >= 1);
  while (half_bits_ < 31 && (uint64_t{1} << (2 * half_bits_)) < size) ++half_bits_;
}

uint64_t Permutation::Round(uint64_t value) const {
  const uint64_t mask = (uint64_t{1} << half_bits_) - 1;
  uint64_t left = value >> half_bits_;
  uint64_t right = value & mask;
  for (uint64_t round = 0; round < 6; ++round) {
    const uint64_t mixed = stream_.Bits((epoch_ * 8 + round) ^ (right << 32)) & mask;
    const uint64_t next = left ^ mixed;
    left = right;
    right = next;
  }
  return left << half_bits_ | right;
}

uint64_t Permutation::At(uint64_t index) const {
  // The network permutes a power of four below 4 * size + 4, so few steps are needed on average.
  do {
    index = Round(index);
  } while (index >= size_);
  return index;
}

}  // namespace paceline
