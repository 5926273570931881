#include "worker/data/number.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

namespace paceline {
namespace {

TEST_CASE("decimal numbers are rounded to the nearest float") {
  float x;

  CHECK((ParseNumber("1", &x) && x == 1));
  CHECK((ParseNumber("+.5", &x) && x == 0.5f));
  CHECK((ParseNumber("-2.5e-1", &x) && x == -0.25f));
  CHECK((ParseNumber("3.", &x) && x == 3));
  CHECK((ParseNumber("1E3", &x) && x == 1000));
  CHECK((ParseNumber("0.1", &x) && x == 0.1f));
  CHECK((ParseNumber("16777217", &x) && x == 16777216));  // 2^24 + 1: a tie, to even.
  CHECK((ParseNumber("1e-45", &x) && x == std::numeric_limits<float>::denorm_min()));
}

TEST_CASE("beyond the range is infinite or zero") {
  float x;

  CHECK((ParseNumber("1e39", &x) && x == std::numeric_limits<float>::infinity()));
  CHECK((ParseNumber("-1e999", &x) && x == -std::numeric_limits<float>::infinity()));
  CHECK((ParseNumber("+1e39", &x) && x == std::numeric_limits<float>::infinity()));
  CHECK((ParseNumber("1e-99", &x) && x == 0));
  CHECK((ParseNumber("inf", &x) && std::isinf(x)));
  CHECK((ParseNumber("nan", &x) && std::isnan(x)));
}

TEST_CASE("anything else is no number") {
  float x;

  for (const char* text : {"", "+", "-", ".", "e1", "1e", "0x10", "1f", "1_0", " 1", "1 ", "+-1",
                           "-+1", "++1", "1,5", "one"}) {
    INFO(text);
    CHECK_FALSE(ParseNumber(text, &x));
  }
}

}  // namespace
}  // namespace paceline
