// A token for each of the most frequent words.
//
// Threads  A vocabulary is not written after it is made.
// Source   proto/job.proto, WordVocabulary.
#ifndef PACELINE_WORKER_DATA_WORD_VOCABULARY_H_
#define PACELINE_WORKER_DATA_WORD_VOCABULARY_H_

#include <string>
#include <vector>

#include "worker/data/vocabulary.h"

namespace paceline {

// Stands for every word that has no token of its own.
constexpr uint32_t kUnknownToken = 1;

class WordVocabulary : public Vocabulary {
 public:
  // At most `max_words` tokens, the two that are no words among them; at least 2.
  WordVocabulary(const PieceCounts& counts, uint32_t max_words);

  uint32_t size() const override { return 2 + static_cast<uint32_t>(words_.size()); }
  void Encode(absl::string_view piece, std::vector<uint32_t>* tokens) const override;
  void AddTo(Sha256* hash) const override;

  // The word of token i + 2, the most frequent first.
  const std::vector<std::string>& words() const { return words_; }

 private:
  std::vector<std::string> words_;
  absl::flat_hash_map<absl::string_view, uint32_t> tokens_;  // By word; views into words_.
};

}  // namespace paceline

#endif  // PACELINE_WORKER_DATA_WORD_VOCABULARY_H_
