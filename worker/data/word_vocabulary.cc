#include "worker/data/word_vocabulary.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/strip.h"

namespace paceline {
namespace {

// Empty for spaces.
absl::string_view WordIn(absl::string_view piece) {
  return absl::StripLeadingAsciiWhitespace(piece);
}

}  // namespace

WordVocabulary::WordVocabulary(const PieceCounts& counts, uint32_t max_words) {
  PieceCounts of_words;
  for (const auto& [piece, count] : counts) {
    if (!WordIn(piece).empty()) of_words[WordIn(piece)] += count;
  }
  std::vector<std::pair<absl::string_view, uint64_t>> ranked(of_words.begin(), of_words.end());
  std::sort(ranked.begin(), ranked.end(), [](const auto& a, const auto& b) {
    return a.second != b.second ? a.second > b.second : a.first < b.first;
  });
  const size_t kept = std::min<size_t>(ranked.size(), max_words - 2);
  for (size_t i = 0; i < kept; ++i) words_.emplace_back(ranked[i].first);
  for (const std::string& word : words_) {
    tokens_.emplace(word, 2 + static_cast<uint32_t>(tokens_.size()));
  }
}

void WordVocabulary::Encode(absl::string_view piece, std::vector<uint32_t>* tokens) const {
  const absl::string_view word = WordIn(piece);
  if (word.empty()) return;
  const auto at = tokens_.find(word);
  tokens->push_back(at == tokens_.end() ? kUnknownToken : at->second);
}

void WordVocabulary::AddTo(Sha256* hash) const {
  hash->Update("words\n", 6);
  for (const std::string& word : words_) {
    hash->Update(word.data(), word.size());
    hash->Update("\n", 1);  // No word has one.
  }
}

}  // namespace paceline
