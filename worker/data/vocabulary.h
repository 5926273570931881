// The tokens that texts are written in.
//
// Threads  A vocabulary is not written after it is made; any number of threads may encode.
//
// What a vocabulary is follows from the texts it was made from alone, in any order.
#ifndef PACELINE_WORKER_DATA_VOCABULARY_H_
#define PACELINE_WORKER_DATA_VOCABULARY_H_

#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "common/base/sha256.h"

namespace paceline {

// How often each piece (text_pieces.h) comes in the texts that a vocabulary is made from.
using PieceCounts = absl::flat_hash_map<absl::string_view, uint64_t>;

// Token 0 is none of its own: it fills up a sample whose text has fewer.
class Vocabulary {
 public:
  virtual ~Vocabulary() = default;

  // Tokens are below it.
  virtual uint32_t size() const = 0;

  // Appends the tokens of `piece`; none for spaces that nothing is written for.
  virtual void Encode(absl::string_view piece, std::vector<uint32_t>* tokens) const = 0;

  // Adds all that its tokens follow from.
  virtual void AddTo(Sha256* hash) const = 0;
};

}  // namespace paceline

#endif  // PACELINE_WORKER_DATA_VOCABULARY_H_
