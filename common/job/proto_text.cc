#include "common/job/proto_text.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/base/status_macros.h"

namespace paceline {
namespace {

class Parser {
 public:
  absl::Status ReadLine(absl::string_view line) {
    line = absl::StripAsciiWhitespace(line);
    if (line.empty()) {
      comment_.clear();
      return absl::OkStatus();
    }
    if (absl::ConsumePrefix(&line, "//")) {
      absl::StrAppend(&comment_, comment_.empty() ? "" : " ",
                      absl::StripLeadingAsciiWhitespace(line));
      return absl::OkStatus();
    }
    const absl::Status status = ReadDeclaration(line);
    comment_.clear();
    return status;
  }

  std::vector<ProtoMessage> Take() { return std::move(messages_); }

 private:
  enum class Place { kTop, kMessage, kOneof, kEnum };

  absl::Status ReadDeclaration(absl::string_view line) {
    if (line == "}") return Close();
    const bool is_whole = absl::ConsumeSuffix(&line, "{}");
    if (is_whole || absl::ConsumeSuffix(&line, "{")) {
      RETURN_IF_ERROR(Open(absl::StripAsciiWhitespace(line)));
      return is_whole ? Close() : absl::OkStatus();
    }
    if (!absl::ConsumeSuffix(&line, ";")) return Unknown(line);
    switch (place_) {
      case Place::kTop:
        return absl::OkStatus();  // syntax, package, import.
      case Place::kEnum:
        return ReadValue(line);
      case Place::kMessage:
      case Place::kOneof:
        return ReadField(line);
    }
    return Unknown(line);
  }

  absl::Status Open(absl::string_view line) {
    if (absl::ConsumePrefix(&line, "message ") && place_ == Place::kTop) {
      messages_.push_back({std::string(line), comment_, {}, {}});
      place_ = Place::kMessage;
    } else if (absl::ConsumePrefix(&line, "enum ") && place_ == Place::kMessage) {
      messages_.back().enums.push_back({std::string(line), {}});
      place_ = Place::kEnum;
    } else if (absl::ConsumePrefix(&line, "oneof ") && place_ == Place::kMessage) {
      oneof_ = std::string(line);
      place_ = Place::kOneof;
    } else {
      return Unknown(line);
    }
    return absl::OkStatus();
  }

  absl::Status Close() {
    if (place_ == Place::kTop) return Unknown("}");
    place_ = place_ == Place::kMessage ? Place::kTop : Place::kMessage;
    oneof_.clear();
    return absl::OkStatus();
  }

  absl::Status ReadValue(absl::string_view line) {
    const std::vector<std::string> words = absl::StrSplit(line, ' ');
    if (words.size() != 3 || words[1] != "=") return Unknown(line);
    messages_.back().enums.back().values.push_back({words[0], comment_});
    return absl::OkStatus();
  }

  absl::Status ReadField(absl::string_view line) {
    ProtoField field;
    for (const char* label : {"optional", "repeated"}) {
      if (absl::ConsumePrefix(&line, absl::StrCat(label, " "))) field.label = label;
    }
    const size_t equals = line.find(" = ");
    if (equals == absl::string_view::npos) return Unknown(line);
    const absl::string_view declared = line.substr(0, equals);
    const size_t space = declared.rfind(' ');
    if (space == absl::string_view::npos) return Unknown(line);
    field.type = std::string(declared.substr(0, space));
    field.name = std::string(declared.substr(space + 1));
    field.oneof = oneof_;
    field.comment = comment_;
    messages_.back().fields.push_back(std::move(field));
    return absl::OkStatus();
  }

  static absl::Status Unknown(absl::string_view line) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", line, "'; wanted a message, enum, oneof, field, value or '}' here"));
  }

  Place place_ = Place::kTop;
  std::string oneof_;
  std::string comment_;
  std::vector<ProtoMessage> messages_;
};

}  // namespace

absl::StatusOr<std::vector<ProtoMessage>> ParseProtoText(absl::string_view text) {
  Parser parser;
  int number = 0;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    ++number;
    const absl::Status status = parser.ReadLine(line);
    if (!status.ok()) {
      return absl::InvalidArgumentError(absl::StrCat("line ", number, ": ", status.message()));
    }
  }
  return parser.Take();
}

}  // namespace paceline
