// Tokens for bytes and, one by one, for the pair of tokens that was most frequent so far.
//
// Errors   None: every text can be written.
// Threads  A vocabulary is not written after it is made.
// Source   Sennrich, Haddow and Birch, "Neural Machine Translation of Rare Words with Subword
//          Units", ACL 2016, Algorithm 1, over bytes and the pieces of text_pieces.h. To make it
//          costs O(B log B) for B bytes of different pieces, to encode a piece of n bytes O(n^2).
#ifndef PACELINE_WORKER_DATA_BYTE_PAIR_VOCABULARY_H_
#define PACELINE_WORKER_DATA_BYTE_PAIR_VOCABULARY_H_

#include <utility>
#include <vector>

#include "worker/data/vocabulary.h"

namespace paceline {

constexpr uint32_t kFirstByteToken = 1;  // Byte b is token b + 1.
constexpr uint32_t kFirstPairToken = 257;

using TokenPair = std::pair<uint32_t, uint32_t>;

class BytePairVocabulary : public Vocabulary {
 public:
  // At most `size_max` tokens, at least kFirstPairToken; fewer where no pair is left that comes
  // twice.
  BytePairVocabulary(const PieceCounts& counts, uint32_t size_max);

  uint32_t size() const override { return kFirstPairToken + static_cast<uint32_t>(pairs_.size()); }
  void Encode(absl::string_view piece, std::vector<uint32_t>* tokens) const override;
  void AddTo(Sha256* hash) const override;

  // What token kFirstPairToken + i stands for.
  const std::vector<TokenPair>& pairs() const { return pairs_; }

 private:
  std::vector<TokenPair> pairs_;
  absl::flat_hash_map<TokenPair, uint32_t> tokens_;  // By pair.
};

}  // namespace paceline

#endif  // PACELINE_WORKER_DATA_BYTE_PAIR_VOCABULARY_H_
