#include "common/job/spec_reference.h"

#include <google/protobuf/descriptor.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <iterator>
#include <limits>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/job/number_rules.h"
#include "common/job/proto_text.h"
#include "proto/job.pb.h"

namespace paceline {
namespace {

std::string ReadFile(const char* path) {
  std::ifstream file(path, std::ios::binary);
  REQUIRE(file.good());
  return std::string(std::istreambuf_iterator<char>(file), {});
}

std::vector<ProtoMessage> JobProto() { return ParseProtoText(ReadFile("proto/job.proto")).value(); }

const ProtoField* FindField(const std::vector<ProtoMessage>& messages, absl::string_view message,
                            absl::string_view field) {
  for (const ProtoMessage& m : messages) {
    for (const ProtoField& f : m.fields) {
      if (m.name == message && f.name == field) return &f;
    }
  }
  return nullptr;
}

// "(0, inf)", as the comments write it.
std::string Interval(const NumberRange& range) {
  const auto end = [](double value) {
    if (value == std::numeric_limits<double>::infinity()) return std::string("inf");
    if (value >= 1e9) return absl::StrReplaceAll(absl::StrCat(value), {{"e+", "e"}});
    return absl::StrCat(static_cast<int64_t>(value));
  };
  return absl::StrCat(range.low_open ? "(" : "[", end(range.low), ", ", end(range.high),
                      range.high_open || range.high > 1e300 ? ")" : "]");
}

TEST_CASE("docs/spec.md is what proto/job.proto says today") {
  const std::string page = ReadFile("docs/spec.md");

  const auto wanted = WithSpecReference(page, ReadFile("proto/job.proto"));

  REQUIRE(wanted.ok());
  INFO(
      "to write it again: bazel run //common/job:write_spec_reference -- $PWD/proto/job.proto "
      "$PWD/docs/spec.md");
  const bool is_current = page == *wanted;
  CHECK(is_current);
}

TEST_CASE("the text is read as protoc reads it: the same messages and fields") {
  const std::vector<ProtoMessage> messages = JobProto();
  const auto* file = v1::JobSpec::descriptor()->file();
  REQUIRE(static_cast<int>(messages.size()) == file->message_type_count());
  for (const ProtoMessage& message : messages) {
    INFO(message.name);
    const auto* type = file->FindMessageTypeByName(message.name);
    REQUIRE(type != nullptr);
    REQUIRE(static_cast<int>(message.fields.size()) == type->field_count());
    for (const ProtoField& field : message.fields) {
      const auto* wanted = type->FindFieldByName(field.name);
      REQUIRE(wanted != nullptr);
      const auto* oneof = wanted->real_containing_oneof();
      CHECK(field.oneof == (oneof == nullptr ? "" : oneof->name()));
    }
  }
}

TEST_CASE("every field a person can set is on the page with a comment") {
  const std::vector<ProtoMessage> messages = JobProto();
  const std::string reference = SpecReference(ReadFile("proto/job.proto")).value();
  for (const ProtoMessage& message : messages) {
    if (message.name == "DatasetFacts") continue;
    for (const ProtoField& field : message.fields) {
      INFO(message.name << "." << field.name);
      CHECK(absl::StrContains(reference, absl::StrCat("- `", field.name, "` (")));
      if (field.oneof.empty()) CHECK(!field.comment.empty());
    }
  }
}

TEST_CASE("the ranges and defaults in the comments are those in force") {
  const std::vector<ProtoMessage> messages = JobProto();
  for (const NumberRule& rule : NumberRules()) {
    const ProtoField* field = FindField(messages, rule.message, rule.field);
    REQUIRE(field != nullptr);
    INFO(rule.message << "." << rule.field << ": " << field->comment);
    if (rule.fallback.has_value()) {
      const size_t at = field->comment.find("Default ");
      REQUIRE(at != std::string::npos);
      const std::string tail = field->comment.substr(at + 8);
      std::string number = tail.substr(0, tail.find(' '));
      if (!number.empty() && number.back() == '.') number.pop_back();
      double value = -1;
      REQUIRE(absl::SimpleAtod(number, &value));
      CHECK(value == *rule.fallback);
    }
    const bool is_any = rule.range.low < 0;
    const bool is_unsigned = field->type == "uint64" && rule.range.low == 0;
    if (is_any || is_unsigned) continue;
    CHECK(absl::StrContains(field->comment, absl::StrCat("Range ", Interval(rule.range))));
  }
}

TEST_CASE("a text that is not a .proto file, and a page without a marker, are refused") {
  CHECK(absl::IsInvalidArgument(ParseProtoText("hello").status()));
  CHECK(absl::IsInvalidArgument(ParseProtoText("}").status()));
  CHECK(absl::IsInvalidArgument(ParseProtoText("message A {\n  uint64 = 1\n}").status()));
  CHECK(absl::IsInvalidArgument(SpecReference("message A {}").status()));
  CHECK(absl::IsInvalidArgument(WithSpecReference("# page", "message JobSpec {}").status()));
}

}  // namespace
}  // namespace paceline
