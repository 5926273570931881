#include "common/job/yaml_writer.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "common/job/yaml_scalar.h"

namespace paceline {
namespace {

using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

// A double-quoted scalar; its escapes are JSON's.
std::string Quoted(absl::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      absl::StrAppend(&out, "\\", absl::string_view(&c, 1));
    } else if (absl::ascii_iscntrl(static_cast<unsigned char>(c))) {
      absl::StrAppendFormat(&out, "\\x%02x", static_cast<unsigned char>(c));
    } else {
      out.push_back(c);
    }
  }
  out.push_back('"');
  return out;
}

// Text that reads back as itself without quotes.
bool IsPlainWord(absl::string_view text) {
  const auto fits = [](unsigned char c) {
    return absl::ascii_isalnum(c) || c == '-' || c == '_' || c == '.' || c == '/';
  };
  return !text.empty() && (absl::ascii_isalpha(text[0]) || text[0] == '/') &&
         std::all_of(text.begin(), text.end(), fits) && !absl::EqualsIgnoreCase(text, "null");
}

std::string StringText(absl::string_view text) {
  return IsPlainWord(text) ? std::string(text) : Quoted(text);
}

// The scalar in `field`, or its element `index` if it is repeated.
std::string ScalarText(const Message& message, const FieldDescriptor& field, int index) {
  const Reflection* r = message.GetReflection();
  const bool list = field.is_repeated();
  const FieldDescriptor* f = &field;
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return absl::StrCat(list ? r->GetRepeatedInt32(message, f, index) : r->GetInt32(message, f));
    case FieldDescriptor::CPPTYPE_INT64:
      return absl::StrCat(list ? r->GetRepeatedInt64(message, f, index) : r->GetInt64(message, f));
    case FieldDescriptor::CPPTYPE_UINT32:
      return absl::StrCat(list ? r->GetRepeatedUInt32(message, f, index)
                               : r->GetUInt32(message, f));
    case FieldDescriptor::CPPTYPE_UINT64:
      return absl::StrCat(list ? r->GetRepeatedUInt64(message, f, index)
                               : r->GetUInt64(message, f));
    case FieldDescriptor::CPPTYPE_FLOAT:
      return FloatText(list ? r->GetRepeatedFloat(message, f, index) : r->GetFloat(message, f));
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return DoubleText(list ? r->GetRepeatedDouble(message, f, index) : r->GetDouble(message, f));
    case FieldDescriptor::CPPTYPE_BOOL:
      return (list ? r->GetRepeatedBool(message, f, index) : r->GetBool(message, f)) ? "true"
                                                                                     : "false";
    case FieldDescriptor::CPPTYPE_STRING:
      return StringText(list ? r->GetRepeatedString(message, f, index) : r->GetString(message, f));
    case FieldDescriptor::CPPTYPE_ENUM:
      return absl::AsciiStrToLower(
          (list ? r->GetRepeatedEnum(message, f, index) : r->GetEnum(message, f))->name());
    case FieldDescriptor::CPPTYPE_MESSAGE:
      break;
  }
  return "";
}

// A number or enum without presence is always written, so that `staleness: 0` shows.
bool IsWritten(const Message& message, const FieldDescriptor& field) {
  const Reflection* reflection = message.GetReflection();
  if (field.is_repeated()) return reflection->FieldSize(message, &field) > 0;
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_ENUM) {
    const int number = reflection->GetEnumValue(message, &field);
    const EnumValueDescriptor* value = field.enum_type()->FindValueByNumber(number);
    if (value == nullptr || absl::EndsWith(value->name(), "_UNSPECIFIED")) return false;
  }
  if (field.has_presence()) return reflection->HasField(message, &field);
  return field.cpp_type() != FieldDescriptor::CPPTYPE_STRING ||
         reflection->HasField(message, &field);
}

void WriteMessage(const Message& message, int indent, std::string* out);

// What follows "key:", with the line's end.
void WriteNested(const Message& message, int indent, std::string* out) {
  std::string fields;
  WriteMessage(message, indent + 2, &fields);
  absl::StrAppend(out, fields.empty() ? " {}\n" : "\n", fields);
}

void WriteMap(const Message& message, const FieldDescriptor& field, int indent, std::string* out) {
  const Reflection* reflection = message.GetReflection();
  std::vector<std::string> lines;
  for (int i = 0; i < reflection->FieldSize(message, &field); ++i) {
    const Message& entry = reflection->GetRepeatedMessage(message, &field, i);
    const FieldDescriptor* value = field.message_type()->map_value();
    lines.push_back(absl::StrCat(std::string(indent + 2, ' '),
                                 ScalarText(entry, *field.message_type()->map_key(), 0), ": ",
                                 ScalarText(entry, *value, 0), "\n"));
  }
  std::sort(lines.begin(), lines.end());
  absl::StrAppend(out, "\n");
  for (const std::string& line : lines) out->append(line);
}

void WriteList(const Message& message, const FieldDescriptor& field, int indent, std::string* out) {
  const Reflection* reflection = message.GetReflection();
  const int count = reflection->FieldSize(message, &field);
  if (field.cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) {
    absl::StrAppend(out, " [");
    for (int i = 0; i < count; ++i) {
      absl::StrAppend(out, i > 0 ? ", " : "", ScalarText(message, field, i));
    }
    absl::StrAppend(out, "]\n");
    return;
  }
  absl::StrAppend(out, "\n");
  for (int i = 0; i < count; ++i) {
    std::string item;
    WriteMessage(reflection->GetRepeatedMessage(message, &field, i), indent + 4, &item);
    // The first field stands behind the dash.
    const std::string dash = std::string(indent + 2, ' ') + "- ";
    absl::StrAppend(out, dash, item.empty() ? "{}\n" : item.substr(indent + 4));
  }
}

void WriteMessage(const Message& message, int indent, std::string* out) {
  const google::protobuf::Descriptor& type = *message.GetDescriptor();
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    if (!IsWritten(message, field)) continue;
    absl::StrAppend(out, std::string(indent, ' '), field.name(), ":");
    if (field.is_map()) {
      WriteMap(message, field, indent, out);
    } else if (field.is_repeated()) {
      WriteList(message, field, indent, out);
    } else if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      WriteNested(message.GetReflection()->GetMessage(message, &field), indent, out);
    } else {
      absl::StrAppend(out, " ", ScalarText(message, field, 0), "\n");
    }
  }
}

}  // namespace

std::string WriteYaml(const Message& message) {
  std::string out;
  WriteMessage(message, 0, &out);
  return out;
}

}  // namespace paceline
