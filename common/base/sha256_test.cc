#include "common/base/sha256.h"

#include <catch2/catch.hpp>

namespace paceline {
namespace {

TEST_CASE("the digest of abc is the one FIPS 180-4 prints") {
  const char* expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

  Sha256 in_two_parts;
  in_two_parts.Update("a", 1);
  in_two_parts.Update("bc", 2);

  CHECK(Sha256Hex("abc") == expected);
  CHECK(in_two_parts.Hex() == expected);
}

}  // namespace
}  // namespace paceline
