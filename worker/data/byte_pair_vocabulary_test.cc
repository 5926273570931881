#include "worker/data/byte_pair_vocabulary.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "common/base/random.h"

namespace paceline {
namespace {

using Pairs = std::vector<TokenPair>;
using Tokens = std::vector<uint32_t>;

constexpr uint32_t Byte(char c) { return kFirstByteToken + static_cast<unsigned char>(c); }

Tokens Encoded(const BytePairVocabulary& vocabulary, absl::string_view piece) {
  Tokens tokens;
  vocabulary.Encode(piece, &tokens);
  return tokens;
}

// The definition, slowly: count all pairs anew for each token.
Pairs PairsByDefinition(const PieceCounts& counts, uint32_t size_max) {
  std::map<Tokens, uint64_t> words;
  for (const auto& [piece, count] : counts) {
    Tokens tokens;
    for (const char c : piece) tokens.push_back(Byte(c));
    words[tokens] += count;
  }
  Pairs pairs;
  while (kFirstPairToken + pairs.size() < size_max) {
    std::map<TokenPair, uint64_t> found;
    for (const auto& [word, count] : words) {
      for (size_t i = 0; i + 1 < word.size(); ++i) found[{word[i], word[i + 1]}] += count;
    }
    TokenPair best;
    uint64_t most = 1;
    for (const auto& [pair, count] : found) {
      if (count > most) best = pair;
      most = std::max(most, count);
    }
    if (most < 2) return pairs;
    const auto token = static_cast<uint32_t>(kFirstPairToken + pairs.size());
    pairs.push_back(best);
    std::map<Tokens, uint64_t> next;
    for (const auto& [word, count] : words) {
      Tokens joined;
      for (size_t i = 0; i < word.size(); ++i) {
        const bool joins =
            i + 1 < word.size() && word[i] == best.first && word[i + 1] == best.second;
        joined.push_back(joins ? token : word[i]);
        if (joins) ++i;
      }
      next[joined] += count;
    }
    words = std::move(next);
  }
  return pairs;
}

TEST_CASE("the pairs of the paper's example are found in its order") {
  // Sennrich et al. 2016, figure 1, without its end-of-word mark: e s (9), es t (9), l o (7),
  // lo w (7).
  const PieceCounts counts = {{"low", 5}, {"lower", 2}, {"newest", 6}, {"widest", 3}};

  const BytePairVocabulary vocabulary(counts, 261);

  CHECK(vocabulary.pairs() ==
        Pairs{{Byte('e'), Byte('s')}, {257, Byte('t')}, {Byte('l'), Byte('o')}, {259, Byte('w')}});
  CHECK(Encoded(vocabulary, "lowest") == Tokens{260, 258});
}

TEST_CASE("between pairs that are equally frequent the smaller one comes first") {
  const BytePairVocabulary vocabulary({{"dc", 3}, {"ab", 3}, {"ba", 3}}, 259);

  CHECK(vocabulary.pairs() == Pairs{{Byte('a'), Byte('b')}, {Byte('b'), Byte('a')}});
}

TEST_CASE("no pair that comes once is joined, and runs are joined from the left") {
  const BytePairVocabulary once({{"abc", 1}}, 300);
  const BytePairVocabulary run({{"aaaaa", 1}}, 300);

  CHECK(once.size() == kFirstPairToken);
  CHECK(run.pairs() == Pairs{{Byte('a'), Byte('a')}});
  CHECK(Encoded(run, "aaaaa") == Tokens{257, 257, Byte('a')});
}

TEST_CASE("any bytes are encoded as tokens that spell them") {
  const BytePairVocabulary vocabulary({{" the", 5}, {" then", 2}}, 300);

  CHECK(Encoded(vocabulary, std::string("\0\xff", 2)) == Tokens{1, 256});
  CHECK(Encoded(vocabulary, " the").size() == 1);
}

TEST_CASE("the pairs are those of the definition, on many random texts") {
  for (uint64_t seed = 0; seed < 40; ++seed) {
    const RandomStream stream(seed, "pieces");
    std::vector<std::string> pieces;
    for (uint64_t i = 0; i < 30; ++i) {
      std::string piece;
      for (uint64_t j = 0; j < 1 + stream.Bits(i * 20) % 12; ++j) {
        piece.push_back(static_cast<char>('a' + stream.Bits(i * 20 + 1 + j) % 3));
      }
      pieces.push_back(piece);
    }
    PieceCounts counts;
    for (size_t i = 0; i < pieces.size(); ++i) counts[pieces[i]] += 1 + i % 3;
    INFO("seed " << seed);
    CHECK(BytePairVocabulary(counts, 400).pairs() == PairsByDefinition(counts, 400));
  }
}

}  // namespace
}  // namespace paceline
