#include "worker/data/csv.h"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/base/status_macros.h"
#include "worker/data/line_reader.h"
#include "worker/data/number.h"

namespace paceline {
namespace {

struct Cell {
  absl::string_view text;  // Trimmed, without its quotes.
  bool is_quoted = false;  // Then "" in `text` stands for one quote.
};

std::string NameIn(const Cell& cell) {
  if (!cell.is_quoted) return std::string(cell.text);
  return absl::StrReplaceAll(cell.text, {{"\"\"", "\""}});
}

// Behind the opening quote of `text`: the index of the quote that closes it, or npos.
size_t ClosingQuote(absl::string_view text) {
  for (size_t i = 1; i < text.size(); ++i) {
    if (text[i] != '"') continue;
    if (i + 1 == text.size() || text[i + 1] != '"') return i;
    ++i;
  }
  return absl::string_view::npos;
}

class Parser {
 public:
  Parser(ByteSource* source, absl::string_view name, const v1::DataFiles& files)
      : lines_(source, name), files_(files) {}

  absl::StatusOr<Dataset> Run() {
    ASSIGN_OR_RETURN(const bool found, lines_.Next());
    if (!found) {
      return absl::InvalidArgumentError(
          absl::StrCat(lines_.name(), ": is empty; wanted at least one sample"));
    }
    RETURN_IF_ERROR(SplitLine());
    RETURN_IF_ERROR(TakeFirstLine());
    for (;;) {
      ASSIGN_OR_RETURN(const bool more, lines_.Next());
      if (!more) break;
      RETURN_IF_ERROR(SplitLine());
      RETURN_IF_ERROR(TakeSample());
    }
    return Finish();
  }

 private:
  // `column` counts from 0.
  absl::Status ErrorAt(size_t column, absl::string_view what) const {
    return lines_.Error(absl::StrCat("column ", column + 1, ": ", what));
  }

  // Fills cells_ from the line.
  absl::Status SplitLine() {
    cells_.clear();
    absl::string_view rest = lines_.line();
    for (;;) {
      rest = absl::StripLeadingAsciiWhitespace(rest);
      Cell cell;
      size_t comma;
      if (!rest.empty() && rest[0] == '"') {
        RETURN_IF_ERROR(TakeQuoted(&rest, &cell));
        comma = rest.empty() ? absl::string_view::npos : 0;
      } else {
        comma = rest.find(',');
        cell.text = absl::StripTrailingAsciiWhitespace(rest.substr(0, comma));
      }
      cells_.push_back(cell);
      if (comma == absl::string_view::npos) return absl::OkStatus();
      if (cells_.size() > kFeaturesMax) {
        return lines_.Error(absl::StrCat("has more columns than ", kFeaturesMax, " and a label"));
      }
      rest.remove_prefix(comma + 1);
    }
  }

  // Leaves `rest` empty or at the comma behind the cell.
  absl::Status TakeQuoted(absl::string_view* rest, Cell* cell) {
    const size_t column = cells_.size();
    const size_t close = ClosingQuote(*rest);
    if (close == absl::string_view::npos) {
      return ErrorAt(column, "the quote that opens here is not closed on its line");
    }
    *cell = {absl::StripAsciiWhitespace(rest->substr(1, close - 1)), true};
    *rest = absl::StripLeadingAsciiWhitespace(rest->substr(close + 1));
    if (!rest->empty() && (*rest)[0] != ',') {
      return ErrorAt(column, absl::StrCat("a quoted cell is followed by ", Shown(*rest),
                                          "; wanted a comma or the end of the line"));
    }
    return absl::OkStatus();
  }

  absl::Status TakeFirstLine() {
    columns_ = cells_.size();
    first_line_ = lines_.number();
    if (columns_ < 2) {
      return lines_.Error("has one column; wanted the label and at least one feature");
    }
    const bool has_header = HasHeader();
    RETURN_IF_ERROR(FindLabel(has_header));
    if (!has_header) return TakeSample();
    for (size_t i = 0; i < columns_; ++i) {
      if (i != label_column_) dataset_.feature_names.push_back(NameIn(cells_[i]));
    }
    return absl::OkStatus();
  }

  bool HasHeader() const {
    if (files_.header() != v1::DataFiles::AUTO) return files_.header() == v1::DataFiles::YES;
    for (const Cell& cell : cells_) {
      float number;
      if (!ParseNumber(cell.text, &number)) return true;
    }
    return false;
  }

  absl::Status FindLabel(bool has_header) {
    const std::string& label = files_.label();
    if (label == "first" || label == "last") {
      label_column_ = label == "first" ? 0 : columns_ - 1;
      return absl::OkStatus();
    }
    if (!has_header) {
      return lines_.Error(absl::StrCat("the label is column ", Shown(label),
                                       ", but the file has no header; wanted a first line of "
                                       "names, or label 'first' or 'last'"));
    }
    size_t found = columns_;
    for (size_t i = 0; i < columns_; ++i) {
      if (NameIn(cells_[i]) != label) continue;
      if (found != columns_) {
        return ErrorAt(i, absl::StrCat("a second column named ", Shown(label),
                                       ", the label; the first is column ", found + 1));
      }
      found = i;
    }
    if (found == columns_) return NoSuchLabel();
    label_column_ = found;
    return absl::OkStatus();
  }

  absl::Status NoSuchLabel() const {
    constexpr size_t kNamesShown = 20;
    std::string names;
    for (size_t i = 0; i < columns_ && i < kNamesShown; ++i) {
      absl::StrAppend(&names, i == 0 ? "" : ", ", Shown(NameIn(cells_[i])));
    }
    if (columns_ > kNamesShown) absl::StrAppend(&names, ", ...");
    return lines_.Error(absl::StrCat("no column is named ", Shown(files_.label()),
                                     ", the label; the header's names are ", names));
  }

  absl::Status TakeSample() {
    if (cells_.size() != columns_) {
      return lines_.Error(absl::StrCat("has ", cells_.size(), " columns; wanted ", columns_,
                                       " as in line ", first_line_));
    }
    for (size_t i = 0; i < columns_; ++i) {
      const absl::string_view text = cells_[i].text;
      float number;
      if (text.empty()) return ErrorAt(i, "the cell is empty; wanted a number");
      if (!ParseNumber(text, &number)) {
        return ErrorAt(i, absl::StrCat(Shown(text), " is not a number"));
      }
      if (!std::isfinite(number)) {
        return ErrorAt(i, absl::StrCat(Shown(text), " is not finite as a 32-bit float"));
      }
      (i == label_column_ ? labels_ : values_.values).push_back(number);
    }
    return absl::OkStatus();
  }

  absl::StatusOr<Dataset> Finish() {
    if (labels_.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat(lines_.name(), ": has a header but no samples; wanted at least one"));
    }
    dataset_.origin = lines_.name();
    dataset_.samples = labels_.size();
    dataset_.features = columns_ - 1;
    dataset_.shape = {dataset_.features};
    dataset_.rows = std::make_shared<const Rows>(std::move(values_));
    dataset_.labels = std::make_shared<const std::vector<float>>(std::move(labels_));
    return std::move(dataset_);
  }

  LineReader lines_;
  const v1::DataFiles& files_;
  std::vector<Cell> cells_;  // Of the line last read.
  size_t columns_ = 0;
  size_t label_column_ = 0;
  uint64_t first_line_ = 0;
  FloatRows values_;
  std::vector<float> labels_;
  Dataset dataset_;
};

}  // namespace

absl::StatusOr<Dataset> ReadCsv(ByteSource* source, absl::string_view name,
                                const v1::DataFiles& files) {
  return Parser(source, name, files).Run();
}

}  // namespace paceline
