#include "worker/data/libsvm.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "worker/data/line_reader.h"
#include "worker/data/number.h"

namespace paceline {
namespace {

// Takes the front word off `rest`; empty when there is none.
absl::string_view TakeWord(absl::string_view* rest) {
  *rest = absl::StripLeadingAsciiWhitespace(*rest);
  const size_t length = static_cast<size_t>(
      std::find_if(rest->begin(), rest->end(), absl::ascii_isspace) - rest->begin());
  const absl::string_view word = rest->substr(0, length);
  rest->remove_prefix(length);
  return word;
}

// Digits only: absl::SimpleAtoi alone would take "+1".
bool ParseIndex(absl::string_view text, uint64_t* index) {
  return std::all_of(text.begin(), text.end(), absl::ascii_isdigit) &&
         absl::SimpleAtoi(text, index);
}

class Parser {
 public:
  Parser(ByteSource* source, absl::string_view name, uint64_t features)
      : lines_(source, name), features_(features) {
    rows_.begin.push_back(0);
  }

  absl::StatusOr<Dataset> Run() {
    if (features_ > kFeaturesMax) {
      return absl::InvalidArgumentError(absl::StrCat(lines_.name(), ": features is ", features_,
                                                     "; the most accepted is ", kFeaturesMax));
    }
    for (;;) {
      ASSIGN_OR_RETURN(const bool more, lines_.Next());
      if (!more) break;
      RETURN_IF_ERROR(TakeLine(lines_.line().substr(0, lines_.line().find('#'))));
    }
    return Finish();
  }

 private:
  absl::Status TakeLine(absl::string_view rest) {
    const absl::string_view label = TakeWord(&rest);
    if (label.empty()) return absl::OkStatus();  // Nothing but a comment.
    float number;
    RETURN_IF_ERROR(ParseFinite("the label", label, &number));
    uint64_t previous = 0;
    for (;;) {
      const absl::string_view pair = TakeWord(&rest);
      if (pair.empty()) break;
      RETURN_IF_ERROR(TakePair(pair, &previous));
    }
    rows_.begin.push_back(rows_.columns.size());
    labels_.push_back(number);
    return absl::OkStatus();
  }

  absl::Status TakePair(absl::string_view pair, uint64_t* previous) {
    const size_t colon = pair.find(':');
    uint64_t index = 0;
    if (colon == absl::string_view::npos || !ParseIndex(pair.substr(0, colon), &index)) {
      return lines_.Error(absl::StrCat(Shown(pair), " is not index:value"));
    }
    if (index == 0) {
      return lines_.Error(absl::StrCat(Shown(pair), ": indices start at 1"));
    }
    const uint64_t most = features_ == 0 ? kFeaturesMax : features_;
    if (index > most) {
      return lines_.Error(absl::StrCat("index ", index, " is above ", most, ", the ",
                                       features_ == 0 ? "most accepted" : "count of features"));
    }
    if (index <= *previous) {
      return lines_.Error(
          absl::StrCat("index ", index, " follows ", *previous, "; indices increase in a line"));
    }
    float value;
    RETURN_IF_ERROR(ParseFinite("the value", pair.substr(colon + 1), &value));
    rows_.columns.push_back(static_cast<uint32_t>(index - 1));
    rows_.values.push_back(value);
    *previous = index;
    largest_ = std::max(largest_, index);
    return absl::OkStatus();
  }

  absl::Status ParseFinite(absl::string_view what, absl::string_view text, float* number) const {
    if (!ParseNumber(text, number)) {
      return lines_.Error(absl::StrCat(what, " ", Shown(text), " is not a number"));
    }
    if (std::isfinite(*number)) return absl::OkStatus();
    return lines_.Error(absl::StrCat(what, " ", Shown(text), " is not finite as a 32-bit float"));
  }

  absl::StatusOr<Dataset> Finish() {
    if (labels_.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat(lines_.name(), ": has no samples; wanted at least one"));
    }
    Dataset dataset;
    dataset.features = features_ == 0 ? largest_ : features_;
    if (dataset.features == 0) {
      return absl::InvalidArgumentError(
          absl::StrCat(lines_.name(), ": names no feature in any line; wanted at least one"));
    }
    dataset.origin = lines_.name();
    dataset.samples = labels_.size();
    dataset.shape = {dataset.features};
    dataset.rows = std::make_shared<const Rows>(std::move(rows_));
    dataset.labels = std::make_shared<const std::vector<float>>(std::move(labels_));
    return dataset;
  }

  LineReader lines_;
  const uint64_t features_;
  uint64_t largest_ = 0;
  SparseRows rows_;
  std::vector<float> labels_;
};

}  // namespace

absl::StatusOr<Dataset> ReadLibsvm(ByteSource* source, absl::string_view name, uint64_t features) {
  return Parser(source, name, features).Run();
}

}  // namespace paceline
