// Any bytes as the text that a vocabulary is made from and written in: its tokens, spelled out, are
// those bytes.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "common/base/check.h"
#include "worker/data/byte_pair_vocabulary.h"
#include "worker/data/text_pieces.h"

namespace paceline {
namespace {

void Spell(const BytePairVocabulary& vocabulary, uint32_t token, std::string* bytes) {
  PACELINE_CHECK(token >= kFirstByteToken && token < vocabulary.size());
  if (token < kFirstPairToken) {
    bytes->push_back(static_cast<char>(token - kFirstByteToken));
    return;
  }
  const TokenPair& pair = vocabulary.pairs()[token - kFirstPairToken];
  PACELINE_CHECK(pair.first < token && pair.second < token);
  Spell(vocabulary, pair.first, bytes);
  Spell(vocabulary, pair.second, bytes);
}

void Try(absl::string_view text) {
  PieceCounts counts;
  for (absl::string_view rest = text; !rest.empty();) ++counts[TakePiece(&rest)];
  const BytePairVocabulary vocabulary(counts, 1024);
  PACELINE_CHECK(vocabulary.size() <= 1024);

  std::vector<uint32_t> tokens;
  for (absl::string_view rest = text; !rest.empty();) vocabulary.Encode(TakePiece(&rest), &tokens);
  std::string spelled;
  for (const uint32_t token : tokens) Spell(vocabulary, token, &spelled);
  PACELINE_CHECK(spelled == text);
}

}  // namespace
}  // namespace paceline

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t count) {
  paceline::Try(absl::string_view(reinterpret_cast<const char*>(bytes), count));
  return 0;
}
