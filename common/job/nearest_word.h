// What a person who misspelt a word probably meant.
//
// Threads  Pure functions.
// Source   Damerau, "A technique for computer detection and correction of spelling errors", CACM
//          7(3), 1964; of its forms the one in which no letter is edited twice.
#ifndef PACELINE_COMMON_JOB_NEAREST_WORD_H_
#define PACELINE_COMMON_JOB_NEAREST_WORD_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace paceline {

// Of `words`, which are in lower case: what `typed` is called elsewhere ("lr"), or the one nearest
// to it if at most a third of its letters (at least one) differ, whatever their case; else empty.
std::string NearestWord(absl::string_view typed, const std::vector<std::string>& words);

// "did you mean 'epochs'?", or "wanted one of epochs, shards_per_round" when nothing is near.
std::string Suggest(absl::string_view word, const std::vector<std::string>& words);

}  // namespace paceline

#endif  // PACELINE_COMMON_JOB_NEAREST_WORD_H_
