#include "common/job/yaml_scalar.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

namespace paceline {
namespace {

using google::protobuf::EnumDescriptor;
using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

constexpr size_t kQuoteMax = 80;

bool IsDigits(absl::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), absl::ascii_isdigit);
}

// Decimal digits with an optional '-'; no '+', and no leading zero, which YAML 1.1 read as octal.
template <typename Integer>
bool ReadInteger(absl::string_view text, Integer* value) {
  absl::string_view digits = text;
  if (!digits.empty() && digits[0] == '-') digits.remove_prefix(1);
  if (!IsDigits(digits) || (digits.size() > 1 && digits[0] == '0')) return false;
  return absl::SimpleAtoi(text, value);
}

bool ReadDouble(absl::string_view text, double* value) {
  const bool negative = absl::StartsWith(text, "-");
  if (text == ".nan" || text == "nan") {
    *value = std::numeric_limits<double>::quiet_NaN();
    return true;
  }
  if (text == ".inf" || text == "inf" || text == "-.inf" || text == "-inf") {
    *value = std::numeric_limits<double>::infinity() * (negative ? -1 : 1);
    return true;
  }
  // Neither hexadecimal nor a word, which SimpleAtod would take.
  const absl::string_view digits = text.substr(negative ? 1 : 0);
  if (digits.empty() || !(absl::ascii_isdigit(digits[0]) || digits[0] == '.')) return false;
  if (digits.find_first_not_of("0123456789.eE+-") != absl::string_view::npos) return false;
  return absl::SimpleAtod(text, value) && std::isfinite(*value);
}

// A finite text that float32 holds as infinity, or as 0 though it is not, is refused.
bool ReadFloat(absl::string_view text, float* value) {
  double wide;
  if (!ReadDouble(text, &wide)) return false;
  if (!std::isfinite(wide)) {
    *value = static_cast<float>(wide);
    return true;
  }
  // Read again as float32: rounding twice could give a neighbour.
  return absl::SimpleAtof(text, value) && std::isfinite(*value) && (*value == 0) == (wide == 0);
}

std::string EnumWord(const EnumValueDescriptor& value) {
  return absl::AsciiStrToLower(value.name());
}

const EnumValueDescriptor* FindEnumWord(const EnumDescriptor& type, absl::string_view word) {
  for (int i = 0; i < type.value_count(); ++i) {
    if (absl::EndsWith(type.value(i)->name(), "_UNSPECIFIED")) continue;
    if (EnumWord(*type.value(i)) == word) return type.value(i);
  }
  return nullptr;
}

// Sets or appends one value through the accessors that the field wants.
template <typename Value, typename Set, typename Add>
bool Put(const FieldDescriptor& field, Message* message, Set set, Add add, Value value) {
  const Reflection* reflection = message->GetReflection();
  if (field.is_repeated()) {
    (reflection->*add)(message, &field, value);
  } else {
    (reflection->*set)(message, &field, value);
  }
  return true;
}

bool StoreNumber(absl::string_view text, const FieldDescriptor& field, Message* message) {
  int32_t i32;
  int64_t i64;
  uint32_t u32;
  uint64_t u64;
  float f32;
  double f64;
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return ReadInteger(text, &i32) &&
             Put(field, message, &Reflection::SetInt32, &Reflection::AddInt32, i32);
    case FieldDescriptor::CPPTYPE_INT64:
      return ReadInteger(text, &i64) &&
             Put(field, message, &Reflection::SetInt64, &Reflection::AddInt64, i64);
    case FieldDescriptor::CPPTYPE_UINT32:
      return ReadInteger(text, &u32) &&
             Put(field, message, &Reflection::SetUInt32, &Reflection::AddUInt32, u32);
    case FieldDescriptor::CPPTYPE_UINT64:
      return ReadInteger(text, &u64) &&
             Put(field, message, &Reflection::SetUInt64, &Reflection::AddUInt64, u64);
    case FieldDescriptor::CPPTYPE_FLOAT:
      return ReadFloat(text, &f32) &&
             Put(field, message, &Reflection::SetFloat, &Reflection::AddFloat, f32);
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return ReadDouble(text, &f64) &&
             Put(field, message, &Reflection::SetDouble, &Reflection::AddDouble, f64);
    default:
      return false;
  }
}

template <typename Integer>
std::string WantedInteger() {
  return absl::StrCat("a whole number in [", std::numeric_limits<Integer>::min(), ", ",
                      std::numeric_limits<Integer>::max(), "]");
}

}  // namespace

std::string WantedOf(const FieldDescriptor& field) {
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return WantedInteger<int32_t>();
    case FieldDescriptor::CPPTYPE_INT64:
      return WantedInteger<int64_t>();
    case FieldDescriptor::CPPTYPE_UINT32:
      return WantedInteger<uint32_t>();
    case FieldDescriptor::CPPTYPE_UINT64:
      return WantedInteger<uint64_t>();
    case FieldDescriptor::CPPTYPE_FLOAT:
      return "a number that float32 can hold";
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return "a number";
    case FieldDescriptor::CPPTYPE_BOOL:
      return "true or false";
    case FieldDescriptor::CPPTYPE_STRING:
      return "text without control characters";
    case FieldDescriptor::CPPTYPE_ENUM:
      return absl::StrCat("one of ", absl::StrJoin(EnumWords(*field.enum_type()), ", "));
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return "a mapping";
  }
  return "";
}

bool StoreScalar(absl::string_view text, bool quoted, const FieldDescriptor& field,
                 Message* message) {
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      return IsCleanText(text) &&
             Put(field, message, &Reflection::SetString, &Reflection::AddString, std::string(text));
    case FieldDescriptor::CPPTYPE_ENUM: {
      const EnumValueDescriptor* value = FindEnumWord(*field.enum_type(), text);
      return value != nullptr &&
             Put(field, message, &Reflection::SetEnum, &Reflection::AddEnum, value);
    }
    case FieldDescriptor::CPPTYPE_BOOL:
      return !quoted && (text == "true" || text == "false") &&
             Put(field, message, &Reflection::SetBool, &Reflection::AddBool, text == "true");
    default:
      return !quoted && StoreNumber(text, field, message);
  }
}

bool IsCleanText(absl::string_view text) {
  return std::none_of(text.begin(), text.end(), absl::ascii_iscntrl);
}

bool LooksLikeNumber(absl::string_view text) {
  const size_t at = absl::StartsWith(text, "-") || absl::StartsWith(text, ".") ? 1 : 0;
  return text.size() > at && absl::ascii_isdigit(text[at]);
}

std::string QuoteScalar(absl::string_view text, bool quoted) {
  // Cut between characters of UTF-8, not inside one.
  size_t length = std::min(text.size(), kQuoteMax);
  while (length < text.size() && length > 0 && (text[length] & 0xC0) == 0x80) --length;
  const std::string escaped = absl::Utf8SafeCEscape(text.substr(0, length));
  const char* mark = quoted ? "\"" : "'";
  return absl::StrCat(mark, escaped, length < text.size() ? "..." : "", mark);
}

std::vector<std::string> EnumWords(const EnumDescriptor& type) {
  std::vector<std::string> words;
  for (int i = 0; i < type.value_count(); ++i) {
    if (absl::EndsWith(type.value(i)->name(), "_UNSPECIFIED")) continue;
    words.push_back(EnumWord(*type.value(i)));
  }
  return words;
}

std::string FloatText(float value) {
  for (int digits = 6; digits < 9; ++digits) {
    std::string text = absl::StrFormat("%.*g", digits, value);
    float again;
    if (absl::SimpleAtof(text, &again) && again == value) return text;
  }
  return absl::StrFormat("%.9g", value);
}

std::string DoubleText(double value) {
  for (int digits = 6; digits < 17; ++digits) {
    std::string text = absl::StrFormat("%.*g", digits, value);
    double again;
    if (absl::SimpleAtod(text, &again) && again == value) return text;
  }
  return absl::StrFormat("%.17g", value);
}

}  // namespace paceline
