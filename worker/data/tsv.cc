#include "worker/data/tsv.h"

#include <algorithm>
#include <cstddef>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/base/status_macros.h"
#include "worker/data/line_reader.h"

namespace paceline {
namespace {

bool IsPlace(absl::string_view column) { return column == "first" || column == "last"; }

class Parser {
 public:
  Parser(ByteSource* source, absl::string_view name, const v1::DataFiles& files,
         std::vector<std::string>* classes)
      : lines_(source, name), files_(files), builder_(name, classes) {}

  absl::StatusOr<Texts> Run() {
    for (;;) {
      ASSIGN_OR_RETURN(const bool more, lines_.Next());
      if (!more) return builder_.Finish();
      cells_ = absl::StrSplit(lines_.line(), '\t');
      if (columns_ == 0) {
        RETURN_IF_ERROR(TakeFirstLine());
      } else {
        RETURN_IF_ERROR(TakeSample());
      }
    }
  }

 private:
  absl::Status TakeFirstLine() {
    columns_ = cells_.size();
    first_line_ = lines_.number();
    if (columns_ < 2) {
      return lines_.Error("has one column; wanted a text and a label with a tab between them");
    }
    ASSIGN_OR_RETURN(text_column_, Find("text", files_.text()));
    ASSIGN_OR_RETURN(label_column_, Find("label", files_.label()));
    if (text_column_ == label_column_) {
      return lines_.Error(absl::StrCat("text and label are both column ", text_column_ + 1));
    }
    return HasHeader() ? absl::OkStatus() : TakeSample();
  }

  bool HasHeader() const {
    if (files_.header() != v1::DataFiles::AUTO) return files_.header() == v1::DataFiles::YES;
    return !IsPlace(files_.text()) || !IsPlace(files_.label());
  }

  // Which column the field `what` of the spec means by `column`.
  absl::StatusOr<size_t> Find(absl::string_view what, absl::string_view column) const {
    if (IsPlace(column)) return column == "first" ? 0 : columns_ - 1;
    if (!HasHeader()) {
      return lines_.Error(absl::StrCat("the ", what, " is column ", Shown(column),
                                       ", but the file has no header; wanted 'first' or 'last'"));
    }
    const auto count = std::count(cells_.begin(), cells_.end(), column);
    if (count == 1) {
      return static_cast<size_t>(std::find(cells_.begin(), cells_.end(), column) - cells_.begin());
    }
    return lines_.Error(absl::StrCat(count == 0 ? "no column is" : "more than one column is",
                                     " named ", Shown(column), ", the ", what));
  }

  absl::Status TakeSample() {
    if (cells_.size() != columns_) {
      return lines_.Error(
          absl::StrCat("has ", cells_.size(), " columns; line ", first_line_, " has ", columns_));
    }
    const absl::Status added =
        builder_.Add(cells_[text_column_], absl::StripAsciiWhitespace(cells_[label_column_]));
    return added.ok() ? added : lines_.Error(added.message());
  }

  LineReader lines_;
  const v1::DataFiles& files_;
  TextsBuilder builder_;
  std::vector<absl::string_view> cells_;  // Of the line.
  size_t columns_ = 0;                    // 0: no line has been read.
  uint64_t first_line_ = 0;
  size_t text_column_ = 0;
  size_t label_column_ = 0;
};

}  // namespace

absl::StatusOr<Texts> ReadTsv(ByteSource* source, absl::string_view name,
                              const v1::DataFiles& files, std::vector<std::string>* classes) {
  return Parser(source, name, files, classes).Run();
}

}  // namespace paceline
