#include "common/tensor/digest.h"

#include <catch2/catch.hpp>
#include <vector>

namespace paceline {
namespace {

// 0.5 i - 3, exact in float32.
std::vector<float> Ramp(size_t count) {
  std::vector<float> floats;
  for (size_t i = 0; i < count; ++i) floats.push_back(0.5f * static_cast<float>(i) - 3);
  return floats;
}

TEST_CASE("a digest is the XXH64 of the bytes, of every length") {
  // Computed by libxxhash 0.8.1.
  CHECK(DigestOf({}) == 0xef46db3751d8e999);
  CHECK(DigestOf({}, 12345) == 0x95584af7701f808d);
  CHECK(DigestOf(Ramp(1)) == 0x477a7e4f0e7690dd);
  CHECK(DigestOf(Ramp(2)) == 0x909ae08e5f809693);
  CHECK(DigestOf(Ramp(7)) == 0x5c7443f8463ac947);
  CHECK(DigestOf(Ramp(8)) == 0xc91c2a4007dc13d0);
  CHECK(DigestOf(Ramp(19), 12345) == 0x91154f945e642c6);
  CHECK(DigestOf(Ramp(33)) == 0x72d5f198a07bb149);
}

TEST_CASE("one bit makes another digest") {
  std::vector<float> floats = Ramp(33);
  const uint64_t before = DigestOf(floats);
  floats[6] = -floats[6];  // 0 becomes -0.
  CHECK(DigestOf(floats) != before);
}

}  // namespace
}  // namespace paceline
