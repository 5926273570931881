#include "worker/data/text_pieces.h"

#include <algorithm>

#include "absl/strings/ascii.h"

namespace paceline {
namespace {

bool IsSpace(char c) { return absl::ascii_isspace(static_cast<unsigned char>(c)); }

bool IsOfWord(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return absl::ascii_isalnum(byte) || byte == '_' || byte >= 0x80;
}

// Bytes in the word at the start of `text`; 0: there is none.
size_t WordLength(absl::string_view text) {
  size_t length = 0;
  while (length < text.size()) {
    const bool joins = text[length] == '\'' && length > 0 && length + 1 < text.size() &&
                       IsOfWord(text[length - 1]) && IsOfWord(text[length + 1]);
    if (!joins && !IsOfWord(text[length])) break;
    ++length;
  }
  return length;
}

// `text` begins with a space that belongs to no word.
size_t SpacesLength(absl::string_view text) {
  const size_t length =
      static_cast<size_t>(std::find_if_not(text.begin(), text.end(), IsSpace) - text.begin());
  // The last one belongs to what follows.
  const bool is_lent = length > 1 && length < text.size() && text[length - 1] == ' ';
  return is_lent ? length - 1 : length;
}

size_t PieceLength(absl::string_view text) {
  const size_t lent = text[0] == ' ' && text.size() > 1 && !IsSpace(text[1]) ? 1 : 0;
  if (lent == 0 && IsSpace(text[0])) return SpacesLength(text);
  return lent + std::max<size_t>(1, WordLength(text.substr(lent)));
}

}  // namespace

absl::string_view TakePiece(absl::string_view* rest) {
  // No further than a piece may reach, so that a long run is not gone through for each of its
  // pieces.
  const absl::string_view head = rest->substr(0, kPieceBytesMax);
  const absl::string_view piece = head.substr(0, PieceLength(head));
  rest->remove_prefix(piece.size());
  return piece;
}

}  // namespace paceline
