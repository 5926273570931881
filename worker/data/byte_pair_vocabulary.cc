#include "worker/data/byte_pair_vocabulary.h"

#include <algorithm>
#include <queue>

namespace paceline {
namespace {

using Tokens = std::vector<uint32_t>;

void AppendBytes(absl::string_view piece, Tokens* tokens) {
  for (const char c : piece) tokens->push_back(kFirstByteToken + static_cast<unsigned char>(c));
}

// Puts `token` in the place of each `pair` from `begin` on, from the left.
void Join(const TokenPair& pair, uint32_t token, size_t begin, Tokens* tokens) {
  size_t end = begin;
  for (size_t i = begin; i < tokens->size(); ++i) {
    const bool joins =
        i + 1 < tokens->size() && (*tokens)[i] == pair.first && (*tokens)[i + 1] == pair.second;
    (*tokens)[end++] = joins ? token : (*tokens)[i];
    if (joins) ++i;
  }
  tokens->resize(end);
}

// Finds the pairs, keeping count of all there are.
class Learner {
 public:
  explicit Learner(const PieceCounts& counts) {
    for (const auto& [piece, count] : counts) {
      words_.push_back({{}, count});
      AppendBytes(piece, &words_.back().tokens);
      CountIn(static_cast<uint32_t>(words_.size() - 1));
    }
    for (const auto& [pair, found] : pairs_) queue_.push({found.count, pair});
  }

  // The most frequent pair, which becomes `token`; false if none comes twice.
  bool TakeBest(uint32_t token, TokenPair* best) {
    while (!queue_.empty()) {
      const Candidate candidate = queue_.top();
      queue_.pop();
      // Counts change behind the queue's back: what has become rarer waits for its turn again.
      const uint64_t count = CountOf(candidate.pair);
      if (count < 2) continue;
      if (count < candidate.count) {
        queue_.push({count, candidate.pair});
        continue;
      }
      *best = candidate.pair;
      JoinEverywhere(*best, token);
      return true;
    }
    return false;
  }

 private:
  struct Word {
    Tokens tokens;
    uint64_t count;
  };
  struct Found {
    uint64_t count = 0;
    std::vector<uint32_t> words;  // Every one that has it; maybe some that no longer do.
  };
  struct Candidate {
    uint64_t count;
    TokenPair pair;
    // The best one is the queue's greatest: many come before few, and small pairs before large.
    bool operator<(const Candidate& other) const {
      return count != other.count ? count < other.count : pair > other.pair;
    }
  };

  uint64_t CountOf(const TokenPair& pair) const {
    const auto at = pairs_.find(pair);
    return at == pairs_.end() ? 0 : at->second.count;
  }

  void CountIn(uint32_t index) {
    const Word& word = words_[index];
    for (size_t i = 0; i + 1 < word.tokens.size(); ++i) {
      Found& found = pairs_[{word.tokens[i], word.tokens[i + 1]}];
      found.count += word.count;
      if (found.words.empty() || found.words.back() != index) found.words.push_back(index);
    }
  }

  void CountOut(const Word& word) {
    for (size_t i = 0; i + 1 < word.tokens.size(); ++i) {
      pairs_.find({word.tokens[i], word.tokens[i + 1]})->second.count -= word.count;
    }
  }

  void JoinEverywhere(const TokenPair& pair, uint32_t token) {
    // Moved out, as counting adds pairs.
    const std::vector<uint32_t> words = std::move(pairs_[pair].words);
    std::vector<TokenPair> made;
    for (const uint32_t index : words) {
      Word& word = words_[index];
      CountOut(word);
      Join(pair, token, 0, &word.tokens);
      CountIn(index);
      for (size_t i = 0; i + 1 < word.tokens.size(); ++i) {
        const TokenPair next = {word.tokens[i], word.tokens[i + 1]};
        if (next.first == token || next.second == token) made.push_back(next);
      }
    }
    pairs_.erase(pair);
    // Only pairs with the new token have become more frequent.
    std::sort(made.begin(), made.end());
    made.erase(std::unique(made.begin(), made.end()), made.end());
    for (const TokenPair& next : made) queue_.push({CountOf(next), next});
  }

  std::vector<Word> words_;
  absl::flat_hash_map<TokenPair, Found> pairs_;
  std::priority_queue<Candidate> queue_;
};

}  // namespace

BytePairVocabulary::BytePairVocabulary(const PieceCounts& counts, uint32_t size_max) {
  Learner learner(counts);
  TokenPair best;
  while (size() < size_max && learner.TakeBest(size(), &best)) {
    tokens_.emplace(best, size());
    pairs_.push_back(best);
  }
}

void BytePairVocabulary::Encode(absl::string_view piece, std::vector<uint32_t>* tokens) const {
  const size_t begin = tokens->size();
  AppendBytes(piece, tokens);
  for (;;) {
    // The pair that was found first is joined first, as it was when the pairs were found.
    uint32_t first = size();
    for (size_t i = begin; i + 1 < tokens->size(); ++i) {
      const auto at = tokens_.find({(*tokens)[i], (*tokens)[i + 1]});
      if (at != tokens_.end()) first = std::min(first, at->second);
    }
    if (first == size()) return;
    Join(pairs_[first - kFirstPairToken], first, begin, tokens);
  }
}

void BytePairVocabulary::AddTo(Sha256* hash) const {
  hash->Update("byte pairs\n", 11);
  for (const TokenPair& pair : pairs_) {
    hash->Update(&pair.first, sizeof(pair.first));
    hash->Update(&pair.second, sizeof(pair.second));
  }
}

}  // namespace paceline
