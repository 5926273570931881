#include "common/job/spec_reference.h"

#include <map>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/job/proto_text.h"

namespace paceline {
namespace {

std::string Code(absl::string_view text) { return absl::StrCat("`", text, "`"); }

// Behind "(type): ", or behind nothing when there is no comment.
std::string Behind(absl::string_view comment) {
  return comment.empty() ? "" : absl::StrCat(": ", comment);
}

class Writer {
 public:
  explicit Writer(std::vector<ProtoMessage> messages) : messages_(std::move(messages)) {}

  absl::StatusOr<std::string> Write() {
    const ProtoMessage* top = Find("JobSpec");
    if (top == nullptr) return absl::InvalidArgumentError("no message JobSpec; wanted job.proto");
    Place(*top, "");
    WriteSection(*top, "");
    return std::move(out_);
  }

 private:
  const ProtoMessage* Find(absl::string_view name) const {
    for (const ProtoMessage& message : messages_) {
      if (message.name == name) return &message;
    }
    return nullptr;
  }

  // Types that are told where they are used and need no section.
  static bool IsEmpty(const ProtoMessage& message) { return message.fields.empty(); }

  static std::string Below(const std::string& path, const ProtoField& field) {
    return absl::StrCat(path, path.empty() ? "" : ".", field.name,
                        field.label == "repeated" ? "[]" : "");
  }

  // Finds where each type is first used, which is where its section goes.
  void Place(const ProtoMessage& message, const std::string& path) {
    places_.emplace(message.name, path);
    for (const ProtoField& field : message.fields) {
      const ProtoMessage* type = Find(field.type);
      if (type != nullptr && places_.count(type->name) == 0) Place(*type, Below(path, field));
    }
  }

  void WriteSection(const ProtoMessage& message, const std::string& path) {
    absl::StrAppend(&out_, "\n## ", path.empty() ? "The spec" : Code(path), "\n\n");
    if (!message.comment.empty()) absl::StrAppend(&out_, message.comment, "\n\n");
    std::string oneof;
    for (const ProtoField& field : message.fields) {
      if (field.oneof != oneof && !field.oneof.empty()) {
        absl::StrAppend(&out_, "- At most one of:\n");
      }
      oneof = field.oneof;
      WriteField(message, field, path);
    }
    for (const ProtoField& field : message.fields) {
      const ProtoMessage* type = Find(field.type);
      if (type == nullptr || IsEmpty(*type)) continue;
      if (places_.at(type->name) == Below(path, field)) WriteSection(*type, Below(path, field));
    }
  }

  void WriteField(const ProtoMessage& message, const ProtoField& field, const std::string& path) {
    const std::string indent = field.oneof.empty() ? "" : "  ";
    const ProtoMessage* type = Find(field.type);
    const std::string comment =
        field.comment.empty() && type != nullptr ? type->comment : field.comment;
    std::string text = TypeText(message, field);
    if (type != nullptr && !IsEmpty(*type) && places_.at(type->name) != Below(path, field)) {
      absl::StrAppend(&text, " as ", Code(places_.at(type->name)));
    }
    absl::StrAppend(&out_, indent, "- ", Code(field.name), " (", text, ")", Behind(comment), "\n");
    const ProtoEnum* words = FindEnum(message, field.type);
    if (words == nullptr) return;
    for (const ProtoEnum::Value& value : words->values) {
      if (absl::EndsWith(value.name, "_UNSPECIFIED")) continue;
      absl::StrAppend(&out_, indent, "  - ", Code(absl::AsciiStrToLower(value.name)),
                      Behind(value.comment), "\n");
    }
  }

  static const ProtoEnum* FindEnum(const ProtoMessage& message, absl::string_view name) {
    for (const ProtoEnum& words : message.enums) {
      if (words.name == name) return &words;
    }
    return nullptr;
  }

  std::string TypeText(const ProtoMessage& message, const ProtoField& field) const {
    return field.label == "repeated" ? absl::StrCat("list of ", OneTypeText(message, field))
                                     : OneTypeText(message, field);
  }

  std::string OneTypeText(const ProtoMessage& message, const ProtoField& field) const {
    if (field.type == "uint32") return "whole number, 32 bits";
    if (field.type == "uint64") return "whole number, 64 bits";
    if (field.type == "float") return "number, float32";
    if (field.type == "double") return "number, float64";
    if (field.type == "bool") return "true or false";
    if (field.type == "string") return "text";
    if (absl::StartsWith(field.type, "map<")) return "mapping of names to numbers";
    if (FindEnum(message, field.type) != nullptr) return "word";
    const ProtoMessage* type = Find(field.type);
    return type != nullptr && IsEmpty(*type) ? "no fields" : "mapping";
  }

  const std::vector<ProtoMessage> messages_;
  std::map<std::string, std::string> places_;  // Type to path.
  std::string out_;
};

}  // namespace

absl::StatusOr<std::string> SpecReference(absl::string_view job_proto) {
  ASSIGN_OR_RETURN(std::vector<ProtoMessage> messages, ParseProtoText(job_proto));
  return Writer(std::move(messages)).Write();
}

absl::StatusOr<std::string> WithSpecReference(absl::string_view page, absl::string_view job_proto) {
  const size_t marker = page.find(kSpecReferenceMarker);
  if (marker == absl::string_view::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat("the page has no line '", kSpecReferenceMarker, "'"));
  }
  ASSIGN_OR_RETURN(const std::string reference, SpecReference(job_proto));
  return absl::StrCat(page.substr(0, marker), kSpecReferenceMarker, reference);
}

}  // namespace paceline
