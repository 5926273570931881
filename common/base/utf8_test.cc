#include "common/base/utf8.h"

#include <catch2/catch.hpp>
#include <string>

namespace paceline {
namespace {

TEST_CASE("a character of UTF-8 has one to four bytes, whatever is behind it") {
  CHECK(Utf8Length("ab") == 1);
  CHECK(Utf8Length(absl::string_view("\0", 1)) == 1);
  CHECK(Utf8Length("\xc3\xa9x") == 2);
  CHECK(Utf8Length("\xe2\x82\xac") == 3);
  CHECK(Utf8Length("\xf0\x9f\x98\x80\x80") == 4);
}

TEST_CASE("what is cut short, overlong, a surrogate or beyond Unicode is no character") {
  for (const char* bytes :
       {"", "\x80", "\xc3", "\xc3x", "\xc1\x81", "\xe0\x9f\xbf", "\xe2\x82", "\xed\xa0\x80",
        "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff"}) {
    INFO(bytes);
    CHECK(Utf8Length(bytes) == 0);
  }
}

}  // namespace
}  // namespace paceline
