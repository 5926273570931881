#include "worker/data/texts.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/utf8.h"
#include "worker/data/line_reader.h"

namespace paceline {
namespace {

constexpr size_t kNamesShown = 10;

absl::Status CheckText(absl::string_view text) {
  if (absl::StripLeadingAsciiWhitespace(text).empty()) {
    return absl::InvalidArgumentError("the text is blank");
  }
  for (size_t i = 0; i < text.size();) {
    const size_t length = Utf8Length(text.substr(i));
    if (length == 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("the text is not UTF-8 from its byte ", i,
                       " on (counted from 0): ", Shown(text.substr(i, 4))));
    }
    i += length;
  }
  return absl::OkStatus();
}

std::vector<std::string> SortedNames(const absl::flat_hash_map<std::string, uint32_t>& numbers) {
  std::vector<std::string> names;
  for (const auto& [name, number] : numbers) names.push_back(name);
  std::sort(names.begin(), names.end());
  return names;
}

absl::Status UnknownClass(absl::string_view name,
                          const absl::flat_hash_map<std::string, uint32_t>& numbers) {
  std::vector<std::string> shown;
  for (const std::string& known : SortedNames(numbers)) {
    if (shown.size() == kNamesShown) {
      shown.push_back("...");
      break;
    }
    shown.push_back(Shown(known));
  }
  return absl::InvalidArgumentError(absl::StrCat("no training sample is of class ", Shown(name),
                                                 "; wanted one of ", absl::StrJoin(shown, ", ")));
}

}  // namespace

TextsBuilder::TextsBuilder(absl::string_view origin, std::vector<std::string>* classes)
    : classes_(classes), is_closed_(!classes->empty()) {
  texts_.origin = std::string(origin);
  for (const std::string& name : *classes) {
    numbers_.emplace(name, static_cast<uint32_t>(numbers_.size()));
  }
}

absl::Status TextsBuilder::Add(absl::string_view text, absl::string_view class_name) {
  if (absl::Status status = CheckText(text); !status.ok()) return status;
  if (class_name.empty()) return absl::InvalidArgumentError("the label is empty");
  if (is_closed_ && !numbers_.contains(class_name)) return UnknownClass(class_name, numbers_);
  const auto number = static_cast<uint32_t>(numbers_.size());
  const auto at = numbers_.try_emplace(std::string(class_name), number).first;
  texts_.labels.push_back(static_cast<float>(at->second));
  texts_.bytes.append(text.data(), text.size());
  texts_.begin.push_back(texts_.bytes.size());
  return absl::OkStatus();
}

absl::StatusOr<Texts> TextsBuilder::Finish() {
  if (texts_.labels.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(texts_.origin, ": has no samples; wanted at least one"));
  }
  *classes_ = SortedNames(numbers_);
  std::vector<float> places(classes_->size());
  for (size_t i = 0; i < classes_->size(); ++i) {
    places[numbers_.at((*classes_)[i])] = static_cast<float>(i);
  }
  for (float& label : texts_.labels) label = places[static_cast<size_t>(label)];
  return std::move(texts_);
}

}  // namespace paceline
