#include "worker/data/text_pieces.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

namespace paceline {
namespace {

using Pieces = std::vector<std::string>;

Pieces PiecesOf(const std::string& text) {
  absl::string_view rest = text;
  Pieces pieces;
  std::string joined;
  while (!rest.empty()) {
    pieces.emplace_back(TakePiece(&rest));
    REQUIRE_FALSE(pieces.back().empty());
    joined += pieces.back();
  }
  REQUIRE(joined == text);
  return pieces;
}

TEST_CASE("words, single characters and spaces are pieces, and a space belongs to what follows") {
  CHECK(PiecesOf("I don't, no.") == Pieces{"I", " don't", ",", " no", "."});
  CHECK(PiecesOf("a--b_2 'c'") == Pieces{"a", "-", "-", "b_2", " '", "c", "'"});
  CHECK(PiecesOf("rock'n'roll''s") == Pieces{"rock'n'roll", "'", "'", "s"});
  CHECK(PiecesOf("caf\xc3\xa9 \xe2\x82\xac") == Pieces{"caf\xc3\xa9", " \xe2\x82\xac"});
}

TEST_CASE("of several spaces the last belongs to what follows, if it is a space itself") {
  CHECK(PiecesOf("a  b") == Pieces{"a", " ", " b"});
  CHECK(PiecesOf("a\n\n b") == Pieces{"a", "\n\n", " b"});
  CHECK(PiecesOf("a \nb ") == Pieces{"a", " \n", "b", " "});
  CHECK(PiecesOf(" ") == Pieces{" "});
}

TEST_CASE("no piece is longer than 64 bytes") {
  CHECK(PiecesOf(std::string(130, 'x')) ==
        Pieces{std::string(64, 'x'), std::string(64, 'x'), "xx"});
  CHECK(PiecesOf(std::string(70, ' ') + "x") ==
        Pieces{std::string(64, ' '), std::string(5, ' '), " x"});
}

}  // namespace
}  // namespace paceline
