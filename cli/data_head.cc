#include "cli/data_head.h"

#include <sys/stat.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <system_error>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/base/status_macros.h"

namespace paceline::cli {
namespace {

constexpr size_t kHeadBytes = size_t{1} << 20;
constexpr size_t kNamesShown = 20;
constexpr uint8_t kUnsignedByte = 0x08;
constexpr uint64_t kIdxBytesMax = uint64_t{16} << 30;

absl::Status Invalid(const std::string& path, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(path, ": ", what));
}

std::string Shown(absl::string_view text) {
  constexpr size_t kShownMax = 40;
  return absl::StrCat("'", absl::Utf8SafeCEscape(text.substr(0, kShownMax)),
                      text.size() > kShownMax ? "..." : "", "'");
}

// Its size in bytes, if it is a file that can be read.
absl::StatusOr<uint64_t> SizeOf(const std::string& path) {
  struct stat found = {};
  if (::stat(path.c_str(), &found) != 0) {
    return absl::ErrnoToStatus(errno, path);
  }
  if (!S_ISREG(found.st_mode)) return Invalid(path, "is not a regular file");
  return static_cast<uint64_t>(found.st_size);
}

// Bytes of a gzip file unpacked, of any other as they are.
class Unpacked {
 public:
  static absl::StatusOr<Unpacked> Open(const std::string& path) {
    gzFile file = ::gzopen(path.c_str(), "rb");
    if (file == nullptr) return absl::ErrnoToStatus(errno, path);
    return Unpacked(file);
  }

  // How many bytes of `size` there were.
  size_t Read(uint8_t* out, unsigned size) {
    const int count = ::gzread(file_.get(), out, size);
    return count > 0 ? static_cast<size_t>(count) : 0;
  }

  // After the first Read.
  bool is_plain() { return ::gzdirect(file_.get()) == 1; }

 private:
  explicit Unpacked(gzFile file) : file_(file, ::gzclose) {}
  std::unique_ptr<gzFile_s, int (*)(gzFile)> file_;
};

absl::StatusOr<int> ReadRank(const std::string& path, Unpacked* file) {
  std::array<uint8_t, 4> magic;
  if (file->Read(magic.data(), magic.size()) < magic.size()) {
    return Invalid(path, "ends within 4 bytes, or is broken gzip; wanted an IDX header");
  }
  if (magic[0] != 0 || magic[1] != 0 || magic[2] != kUnsignedByte || magic[3] == 0) {
    return Invalid(path,
                   absl::StrFormat("begins with bytes %02x %02x %02x %02x; an IDX file of unsigned "
                                   "bytes begins with 00 00 08 and its rank",
                                   magic[0], magic[1], magic[2], magic[3]));
  }
  return magic[3];
}

// The first lines of a text that are not blank, at most two, without their ends.
struct Lines {
  std::vector<std::string> lines;
  bool is_cut = false;  // The last of them goes on beyond what was read.
};

absl::StatusOr<Lines> ReadLines(const std::string& path, char comment) {
  RETURN_IF_ERROR(SizeOf(path).status());
  std::ifstream file(path, std::ios::binary);
  if (!file) return absl::ErrnoToStatus(errno, path);
  std::string head(kHeadBytes, '\0');
  file.read(&head[0], static_cast<std::streamsize>(head.size()));
  head.resize(static_cast<size_t>(file.gcount()));
  absl::string_view text = absl::StripPrefix(head, "\xef\xbb\xbf");
  Lines found;
  while (!text.empty() && found.lines.size() < 2) {
    const size_t end = text.find('\n');
    found.is_cut = end == absl::string_view::npos && head.size() == kHeadBytes;
    absl::string_view line = text.substr(0, end);
    if (comment != '\0') line = line.substr(0, line.find(comment));
    line = absl::StripAsciiWhitespace(line);
    const auto is_odd = [](unsigned char c) { return absl::ascii_iscntrl(c) && c != '\t'; };
    if (std::any_of(line.begin(), line.end(), is_odd)) {
      return Invalid(path, "is no text; this format is read neither compressed nor binary");
    }
    if (!line.empty()) found.lines.emplace_back(line);
    text.remove_prefix(end == absl::string_view::npos ? text.size() : end + 1);
  }
  if (found.lines.empty()) return Invalid(path, "is empty; wanted at least one sample");
  return found;
}

// Cells without spaces around them and without their quotes.
std::vector<std::string> SplitCells(absl::string_view line) {
  std::vector<std::string> cells(1);
  bool is_quoted = false;
  for (size_t i = 0; i < line.size(); ++i) {
    const bool is_doubled = is_quoted && line.substr(i, 2) == "\"\"";
    if (line[i] == '"' && !is_doubled) {
      is_quoted = !is_quoted;
    } else if (line[i] == ',' && !is_quoted) {
      cells.emplace_back();
    } else {
      cells.back() += line[i];
      if (is_doubled) ++i;
    }
  }
  for (std::string& cell : cells) absl::StripAsciiWhitespace(&cell);
  return cells;
}

bool IsNumber(absl::string_view text) {
  float number;
  return absl::SimpleAtof(text, &number);
}

absl::Status CheckNumbers(const std::string& path, const std::vector<std::string>& cells) {
  for (size_t i = 0; i < cells.size(); ++i) {
    float number;
    if (absl::SimpleAtof(cells[i], &number) && std::isfinite(number)) continue;
    return Invalid(path, absl::StrCat("column ", i + 1, " of the first sample: ", Shown(cells[i]),
                                      " is not a finite number"));
  }
  return absl::OkStatus();
}

// At most kNamesShown of them.
std::string ShownNames(const std::vector<std::string>& names) {
  std::vector<std::string> shown;
  for (size_t i = 0; i < std::min(names.size(), kNamesShown); ++i) shown.push_back(Shown(names[i]));
  if (names.size() > kNamesShown) shown.push_back("...");
  return absl::StrJoin(shown, ", ");
}

bool IsPlace(absl::string_view column) { return column == "first" || column == "last"; }

// Whether the column that holds `what` is there.
absl::Status CheckColumn(const std::string& path, absl::string_view what, const std::string& column,
                         const std::vector<std::string>& names, bool has_header) {
  if (IsPlace(column)) return absl::OkStatus();
  if (!has_header) {
    return Invalid(path, absl::StrCat("the ", what, " is column ", Shown(column),
                                      ", but the file has no header to name it"));
  }
  const auto count = std::count(names.begin(), names.end(), column);
  if (count == 1) return absl::OkStatus();
  return Invalid(path, absl::StrCat(count == 0 ? "no column is" : "more than one column is",
                                    " named ", Shown(column), ", the ", what,
                                    "; the header's names are ", ShownNames(names)));
}

// One "index:value" of libsvm.
bool IsPair(absl::string_view word) {
  const std::vector<absl::string_view> parts = absl::StrSplit(word, absl::MaxSplits(':', 1));
  uint64_t index = 0;
  return parts.size() == 2 && std::all_of(parts[0].begin(), parts[0].end(), absl::ascii_isdigit) &&
         absl::SimpleAtoi(parts[0], &index) && index >= 1 && IsNumber(parts[1]);
}

}  // namespace

absl::StatusOr<std::vector<uint64_t>> ReadIdxShape(const std::string& path) {
  ASSIGN_OR_RETURN(const uint64_t file_bytes, SizeOf(path));
  ASSIGN_OR_RETURN(Unpacked file, Unpacked::Open(path));
  ASSIGN_OR_RETURN(const int rank, ReadRank(path, &file));
  std::vector<uint64_t> shape;
  uint64_t values = 1;
  for (int i = 0; i < rank; ++i) {
    std::array<uint8_t, 4> b;
    if (file.Read(b.data(), b.size()) < b.size()) {
      return Invalid(path, absl::StrCat("ends inside its header; wanted ", rank, " dimensions"));
    }
    shape.push_back(uint64_t{b[0]} << 24 | uint64_t{b[1]} << 16 | uint64_t{b[2]} << 8 | b[3]);
    if (shape.back() == 0 || shape.back() > kIdxBytesMax / values) {
      return Invalid(path, absl::StrCat("declares ", absl::StrJoin(shape, " x "),
                                        " values or more; wanted 1 to ", kIdxBytesMax));
    }
    values *= shape.back();
  }
  const uint64_t wanted = 4 + 4 * shape.size() + values;
  if (file.is_plain() && file_bytes != wanted) {
    return Invalid(path, absl::StrCat("has ", file_bytes, " bytes, but its header declares ",
                                      absl::StrJoin(shape, " x "), " values; wanted ", wanted));
  }
  return shape;
}

absl::Status CheckIdxPair(const std::vector<uint64_t>& images, const std::vector<uint64_t>& labels,
                          const v1::DataFiles& files) {
  if (images.size() < 2) {
    return Invalid(files.images(),
                   "has rank 1; images have rank 2 or more (are the images and the labels "
                   "interchanged?)");
  }
  if (labels.size() != 1) {
    return Invalid(files.labels(),
                   absl::StrCat("has rank ", labels.size(), "; labels have rank 1"));
  }
  if (images[0] == labels[0]) return absl::OkStatus();
  return Invalid(files.images(), absl::StrCat("has ", images[0], " images, but ", files.labels(),
                                              " has ", labels[0], " labels"));
}

absl::StatusOr<std::string> DescribeCsv(const v1::DataFiles& files) {
  const std::string& path = files.path();
  ASSIGN_OR_RETURN(const Lines head, ReadLines(path, '\0'));
  if (head.is_cut && head.lines.size() == 1) return "its first line is too long to look at";
  const std::vector<std::string> first = SplitCells(head.lines[0]);
  if (first.size() < 2) {
    return Invalid(path,
                   "its first line has one column; wanted the label and at least one feature");
  }
  const bool looks_like_names = !std::all_of(first.begin(), first.end(), IsNumber);
  const bool has_header = files.header() == v1::DataFiles::AUTO
                              ? looks_like_names
                              : files.header() == v1::DataFiles::YES;
  RETURN_IF_ERROR(CheckColumn(path, "label", files.label(), first, has_header));
  const std::string seen =
      absl::StrCat(first.size(), " columns and ", has_header ? "a header" : "no header");
  if (!has_header) {
    RETURN_IF_ERROR(CheckNumbers(path, first));
    return seen;
  }
  if (head.lines.size() < 2) return Invalid(path, "has a header but no samples");
  if (head.is_cut) return seen;
  const std::vector<std::string> sample = SplitCells(head.lines[1]);
  if (sample.size() != first.size()) {
    return Invalid(path, absl::StrCat("its first sample has ", sample.size(),
                                      " columns; the header has ", first.size()));
  }
  RETURN_IF_ERROR(CheckNumbers(path, sample));
  return seen;
}

absl::StatusOr<std::string> DescribeLibsvm(const v1::DataFiles& files) {
  ASSIGN_OR_RETURN(const Lines head, ReadLines(files.path(), '#'));
  if (head.is_cut && head.lines.size() == 1) return "its first line is too long to look at";
  const std::vector<std::string> words =
      absl::StrSplit(head.lines[0], absl::ByAnyChar(" \t"), absl::SkipEmpty());
  if (!IsNumber(words[0])) {
    return Invalid(files.path(), absl::StrCat("the label ", Shown(words[0]),
                                              " of the first sample is not a number"));
  }
  for (size_t i = 1; i < words.size(); ++i) {
    if (IsPair(words[i])) continue;
    return Invalid(files.path(), absl::StrCat(Shown(words[i]),
                                              " in the first sample is not index:value, with "
                                              "indices from 1"));
  }
  return absl::StrCat("the first sample has ", words.size() - 1, " values");
}

absl::StatusOr<std::string> DescribeTsv(const v1::DataFiles& files) {
  const std::string& path = files.path();
  ASSIGN_OR_RETURN(const Lines head, ReadLines(path, '\0'));
  if (head.is_cut && head.lines.size() == 1) return "its first line is too long to look at";
  const std::vector<std::string> first = absl::StrSplit(head.lines[0], '\t');
  if (first.size() < 2) {
    return Invalid(path,
                   "its first line has one column; wanted a text and a label with a tab between "
                   "them");
  }
  const bool has_header = files.header() == v1::DataFiles::AUTO
                              ? !IsPlace(files.text()) || !IsPlace(files.label())
                              : files.header() == v1::DataFiles::YES;
  RETURN_IF_ERROR(CheckColumn(path, "text", files.text(), first, has_header));
  RETURN_IF_ERROR(CheckColumn(path, "label", files.label(), first, has_header));
  if (has_header && head.lines.size() < 2) return Invalid(path, "has a header but no samples");
  if (head.lines.size() == 2 && !head.is_cut) {
    const std::vector<std::string> second = absl::StrSplit(head.lines[1], '\t');
    if (second.size() != first.size()) {
      return Invalid(path, absl::StrCat("its second line has ", second.size(),
                                        " columns; the first has ", first.size()));
    }
  }
  return absl::StrCat(first.size(), " columns and ", has_header ? "a header" : "no header");
}

absl::StatusOr<std::string> DescribeJsonl(const v1::DataFiles& files) {
  const std::string& path = files.path();
  ASSIGN_OR_RETURN(const Lines head, ReadLines(path, '\0'));
  if (head.is_cut && head.lines.size() == 1) return "its first line is too long to look at";
  const auto object = nlohmann::json::parse(head.lines[0], nullptr, false);
  if (!object.is_object()) return Invalid(path, "its first line is not one JSON object");
  const auto text = object.find(files.text());
  const auto label = object.find(files.label());
  for (const auto& [found, key] :
       {std::pair(text, files.text()), std::pair(label, files.label())}) {
    if (found == object.end()) {
      return Invalid(path, absl::StrCat("its first sample has no key ", Shown(key)));
    }
  }
  if (!text->is_string()) return Invalid(path, "the text of its first sample is no string");
  if (!label->is_string() && !label->is_number_integer()) {
    return Invalid(path, "the label of its first sample is neither a string nor a whole number");
  }
  return absl::StrCat("the first sample is of class ",
                      Shown(label->is_string() ? label->get<std::string>() : label->dump()));
}

absl::StatusOr<std::string> DescribeTextFolder(const v1::DataFiles& files) {
  const std::string& path = files.path();
  std::error_code error;
  std::vector<std::string> classes;
  std::filesystem::directory_iterator at(path, error);
  for (; !error && at != std::filesystem::directory_iterator(); at.increment(error)) {
    const std::string name = at->path().filename().string();
    if (name[0] == '.') continue;
    if (std::error_code unknown; !at->is_directory(unknown)) {
      return Invalid(path, absl::StrCat("holds ", Shown(name),
                                        ", which is no folder; wanted a "
                                        "folder for each class and nothing beside"));
    }
    classes.push_back(name);
  }
  if (error) return absl::ErrnoToStatus(error.value(), path);
  if (classes.empty()) return Invalid(path, "is empty; wanted a folder for each class");
  std::sort(classes.begin(), classes.end());
  return absl::StrCat(classes.size(),
                      classes.size() == 1 ? " class: " : " classes: ", ShownNames(classes));
}

}  // namespace paceline::cli
