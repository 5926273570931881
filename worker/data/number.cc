#include "worker/data/number.h"

#include <charconv>
#include <system_error>

#include "absl/strings/numbers.h"

namespace paceline {

bool ParseNumber(absl::string_view text, float* number) {
  const char* begin = text.data();
  const char* const end = begin + text.size();
  // std::from_chars takes no plus sign; "+-1" is no number.
  if (text.size() > 1 && begin[0] == '+' && begin[1] != '-') ++begin;
  const std::from_chars_result result = std::from_chars(begin, end, *number);
  if (result.ptr != end || result.ec == std::errc::invalid_argument) return false;
  // It does not say which of the two ends of the range a number is beyond; Abseil does.
  return result.ec == std::errc() || absl::SimpleAtof(text, number);
}

}  // namespace paceline
