// Where characters end in UTF-8, as the Unicode standard has it: nothing overlong, no surrogates.
//
// Threads  A pure function.
// Source   The Unicode Standard 15, table 3-7.
#ifndef PACELINE_COMMON_BASE_UTF8_H_
#define PACELINE_COMMON_BASE_UTF8_H_

#include <cstddef>

#include "absl/strings/string_view.h"

namespace paceline {

// Bytes in the UTF-8 sequence at the start of `text`, 0 if there is none.
size_t Utf8Length(absl::string_view text);

}  // namespace paceline

#endif  // PACELINE_COMMON_BASE_UTF8_H_
