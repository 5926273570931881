#include "worker/data/word_vocabulary.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

namespace paceline {
namespace {

using Tokens = std::vector<uint32_t>;
using Words = std::vector<std::string>;

Tokens Encoded(const WordVocabulary& vocabulary, absl::string_view piece) {
  Tokens tokens;
  vocabulary.Encode(piece, &tokens);
  return tokens;
}

std::string HashOf(const WordVocabulary& vocabulary) {
  Sha256 hash;
  vocabulary.AddTo(&hash);
  return hash.Hex();
}

TEST_CASE("the most frequent words have tokens, and their bytes decide between equals") {
  // "the" comes 5 times, at the start of a text or behind a space; b, c and d come twice.
  const PieceCounts counts = {{"the", 2}, {" the", 3}, {" d", 2}, {" b", 2},
                              {" c", 2},  {" a", 1},   {"\n", 9}, {" ", 9}};

  const WordVocabulary vocabulary(counts, 5);

  CHECK(vocabulary.words() == Words{"the", "b", "c"});
  CHECK(vocabulary.size() == 5);
  CHECK(Encoded(vocabulary, "the") == Tokens{2});
  CHECK(Encoded(vocabulary, " c") == Tokens{4});
  CHECK(Encoded(vocabulary, " d") == Tokens{kUnknownToken});
  CHECK(Encoded(vocabulary, "\n\n").empty());
}

TEST_CASE("there are no more tokens than words and the two that are none") {
  const WordVocabulary vocabulary({{"a", 1}}, 1000);

  CHECK(vocabulary.size() == 3);
}

TEST_CASE("the hash tells words and their order apart") {
  CHECK(HashOf(WordVocabulary({{"a", 2}, {"b", 1}}, 9)) ==
        HashOf(WordVocabulary({{"b", 5}, {"a", 7}}, 9)));
  CHECK(HashOf(WordVocabulary({{"a", 2}, {"b", 1}}, 9)) !=
        HashOf(WordVocabulary({{"a", 1}, {"b", 2}}, 9)));
}

}  // namespace
}  // namespace paceline
