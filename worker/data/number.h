// A number as the text files of this room write it.
#ifndef PACELINE_WORKER_DATA_NUMBER_H_
#define PACELINE_WORKER_DATA_NUMBER_H_

#include "absl/strings/string_view.h"

namespace paceline {

// Decimal, with an optional sign and exponent, or one of C's words for infinity and NaN; no spaces.
// Rounded to the nearest float: infinite above the largest, 0 below the smallest. False, and
// `number` is undefined, when `text` is anything else.
bool ParseNumber(absl::string_view text, float* number);

}  // namespace paceline

#endif  // PACELINE_WORKER_DATA_NUMBER_H_
