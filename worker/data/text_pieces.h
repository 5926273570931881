// Cuts a text into the pieces that vocabularies count and encode.
//
// Threads  Pure functions.
//
// Put one behind the other the pieces are the text. A piece is a word, a character of ASCII that is
// neither letter nor space, or spaces; a single space in front of the first two belongs to them. A
// word is a run of letters, digits, '_' and bytes above ASCII, with single apostrophes inside. No
// piece is longer than kPieceBytesMax: what is longer is cut, maybe inside a character of UTF-8.
#ifndef PACELINE_WORKER_DATA_TEXT_PIECES_H_
#define PACELINE_WORKER_DATA_TEXT_PIECES_H_

#include <cstddef>

#include "absl/strings/string_view.h"

namespace paceline {

constexpr size_t kPieceBytesMax = 64;

// Takes the first piece off `rest`, which is not empty.
absl::string_view TakePiece(absl::string_view* rest);

}  // namespace paceline

#endif  // PACELINE_WORKER_DATA_TEXT_PIECES_H_
