#include "common/job/folder_path.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/job/yaml_scalar.h"

namespace paceline {
namespace {

// RFC 3986, section 3.1.
bool IsScheme(absl::string_view text) {
  const auto fits = [](unsigned char c) {
    return absl::ascii_isalnum(c) || c == '+' || c == '-' || c == '.';
  };
  return !text.empty() && absl::ascii_isalpha(static_cast<unsigned char>(text[0])) &&
         std::all_of(text.begin(), text.end(), fits);
}

}  // namespace

absl::Status CheckFolderPath(absl::string_view what, absl::string_view path) {
  const size_t end = path.find("://");
  if (end == absl::string_view::npos || !IsScheme(path.substr(0, end))) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(what, " is ", QuoteScalar(path, false), ": checkpoints are not written to ",
                   path.substr(0, end),
                   "; wanted a folder of a mounted file system whose fsync, rename and flock hold "
                   "(docs/checkpoints.md, \"Object stores\")"));
}

}  // namespace paceline
