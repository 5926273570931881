// Whether a text holds the words that a test looks for; shows it if the check then fails.
#ifndef PACELINE_COMMON_TESTING_SAYS_H_
#define PACELINE_COMMON_TESTING_SAYS_H_

#include <catch2/catch.hpp>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/string_view.h"

namespace paceline {

inline bool Says(absl::string_view text, const std::string& words) {
  UNSCOPED_INFO(text);
  return absl::StrContains(text, words);
}

// Its message.
inline bool Says(const absl::Status& status, const std::string& words) {
  UNSCOPED_INFO(status);
  return absl::StrContains(status.message(), words);
}

}  // namespace paceline

#endif  // PACELINE_COMMON_TESTING_SAYS_H_
