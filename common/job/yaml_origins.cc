#include "common/job/yaml_origins.h"

#include <iterator>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace paceline {

void YamlOrigins::SetLine(const std::string& path, int line) { origins_[path] = {line, ""}; }

void YamlOrigins::Replace(const std::string& path, std::string source) {
  auto it = origins_.lower_bound(path);
  while (it != origins_.end() && absl::StartsWith(it->first, path)) {
    // "train" is not above "training".
    const bool is_below = it->first.size() > path.size() &&
                          (it->first[path.size()] == '.' || it->first[path.size()] == '[');
    it = is_below ? origins_.erase(it) : std::next(it);
  }
  origins_[path] = {0, std::move(source)};
}

std::string YamlOrigins::Find(absl::string_view path) const {
  while (!path.empty()) {
    const auto it = origins_.find(std::string(path));
    if (it != origins_.end()) {
      const Origin& origin = it->second;
      return origin.line > 0 ? absl::StrCat(file_name_, ":", origin.line) : origin.source;
    }
    const size_t end = path.find_last_of(".[");
    path = path.substr(0, end == absl::string_view::npos ? 0 : end);
  }
  return file_name_;
}

std::string YamlOrigins::FindFor(absl::string_view error) const {
  return Find(error.substr(0, error.find_first_of(" :")));
}

}  // namespace paceline
