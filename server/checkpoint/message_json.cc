#include "server/checkpoint/message_json.h"

#include <google/protobuf/message.h>
#include <google/protobuf/util/json_util.h>

#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"

namespace paceline {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using Json = nlohmann::json;

constexpr char kOwnFile[] = "proto/checkpoint.proto";

Json MessageJson(const Message& message);

// JSON has no such numbers; protobuf's JSON has these words.
Json NumberJson(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  return value;
}

// The shortest decimal that is this float again: 0.1, not 0.10000000149011612.
Json FloatJson(float value) {
  if (!std::isfinite(value)) return NumberJson(value);
  char text[32];
  const auto end = std::to_chars(text, text + sizeof(text) - 1, value).ptr;
  *end = '\0';
  const double shortest = std::strtod(text, nullptr);
  return static_cast<float>(shortest) == value ? shortest : double{value};
}

// Element `i` of a repeated field, or, with i = -1, the field itself.
template <typename Single, typename Repeated>
auto Get(const Message& m, const FieldDescriptor* f, int i, Single single, Repeated repeated) {
  const Reflection& r = *m.GetReflection();
  return i < 0 ? (r.*single)(m, f) : (r.*repeated)(m, f, i);
}

Json ValueJson(const Message& m, const FieldDescriptor* f, int i) {
  switch (f->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return Get(m, f, i, &Reflection::GetInt32, &Reflection::GetRepeatedInt32);
    case FieldDescriptor::CPPTYPE_INT64:
      return Get(m, f, i, &Reflection::GetInt64, &Reflection::GetRepeatedInt64);
    case FieldDescriptor::CPPTYPE_UINT32:
      return Get(m, f, i, &Reflection::GetUInt32, &Reflection::GetRepeatedUInt32);
    case FieldDescriptor::CPPTYPE_UINT64:
      return Get(m, f, i, &Reflection::GetUInt64, &Reflection::GetRepeatedUInt64);
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return NumberJson(Get(m, f, i, &Reflection::GetDouble, &Reflection::GetRepeatedDouble));
    case FieldDescriptor::CPPTYPE_FLOAT:
      return FloatJson(Get(m, f, i, &Reflection::GetFloat, &Reflection::GetRepeatedFloat));
    case FieldDescriptor::CPPTYPE_BOOL:
      return Get(m, f, i, &Reflection::GetBool, &Reflection::GetRepeatedBool);
    case FieldDescriptor::CPPTYPE_ENUM:
      return Get(m, f, i, &Reflection::GetEnum, &Reflection::GetRepeatedEnum)->name();
    case FieldDescriptor::CPPTYPE_STRING: {
      std::string text = Get(m, f, i, &Reflection::GetString, &Reflection::GetRepeatedString);
      return f->type() == FieldDescriptor::TYPE_BYTES ? absl::Base64Escape(text) : text;
    }
    case FieldDescriptor::CPPTYPE_MESSAGE:
      break;
  }
  const Reflection& r = *m.GetReflection();
  return MessageJson(i < 0 ? r.GetMessage(m, f) : r.GetRepeatedMessage(m, f, i));
}

// A JSON key is text, whatever the map's key is.
std::string KeyText(const Json& key) {
  return key.is_string() ? key.get<std::string>() : key.dump();
}

Json RepeatedJson(const Message& m, const FieldDescriptor* f) {
  const Reflection& r = *m.GetReflection();
  Json json = f->is_map() ? Json::object() : Json::array();
  for (int i = 0; i < r.FieldSize(m, f); ++i) {
    if (!f->is_map()) {
      json.push_back(ValueJson(m, f, i));
      continue;
    }
    const Message& entry = r.GetRepeatedMessage(m, f, i);
    const Json key = ValueJson(entry, entry.GetDescriptor()->map_key(), -1);
    json[KeyText(key)] = ValueJson(entry, entry.GetDescriptor()->map_value(), -1);
  }
  return json;
}

Json MessageJson(const Message& m) {
  const Reflection& r = *m.GetReflection();
  const bool is_own = m.GetDescriptor()->file()->name() == kOwnFile;
  Json json = Json::object();
  for (int n = 0; n < m.GetDescriptor()->field_count(); ++n) {
    const FieldDescriptor* f = m.GetDescriptor()->field(n);
    if (f->is_repeated()) {
      if (is_own || r.FieldSize(m, f) > 0) json[f->name()] = RepeatedJson(m, f);
    } else if (r.HasField(m, f) || (is_own && !f->has_presence())) {
      json[f->name()] = ValueJson(m, f, -1);
    }
  }
  return json;
}

// Sees each object's keys as the parser finds them, and stops at the first that is wrong.
class Checker final : public Json::json_sax_t {
 public:
  absl::Status status() const { return status_; }

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(size_t) override { return Enter(); }
  bool end_object() override { return Leave(); }
  bool start_array(size_t) override { return Enter(); }
  bool end_array() override { return Leave(); }
  bool key(string_t& key) override {
    if (keys_.back().insert(key).second) return true;
    return Stop(absl::StrCat("JSON: the key \"", absl::CHexEscape(key), "\" is there twice"));
  }
  bool parse_error(size_t position, const std::string&, const Json::exception&) override {
    return Stop(absl::StrCat("not JSON from byte ", position, " on"));
  }

 private:
  bool Stop(const std::string& message) {
    status_ = absl::InvalidArgumentError(message);
    return false;
  }
  bool Enter() {
    keys_.emplace_back();
    if (keys_.size() <= kJsonDepthMax) return true;
    return Stop(absl::StrCat("JSON: deeper than ", kJsonDepthMax, " levels"));
  }
  bool Leave() {
    keys_.pop_back();
    return true;
  }

  std::vector<std::set<std::string>> keys_;  // Of each object that is open; empty for an array.
  absl::Status status_;
};

}  // namespace

std::string MessageToText(const Message& message) {
  return MessageJson(message).dump(1, ' ', false, Json::error_handler_t::replace);
}

absl::Status CheckJson(absl::string_view text) {
  Checker checker;
  Json::sax_parse(text.begin(), text.end(), &checker);
  return checker.status();
}

absl::Status TextToMessage(absl::string_view text, Message* message) {
  RETURN_IF_ERROR(CheckJson(text));
  const std::unique_ptr<Message> read(message->New());
  google::protobuf::util::JsonParseOptions options;
  options.case_insensitive_enum_parsing = false;
  const auto status = google::protobuf::util::JsonStringToMessage(
      google::protobuf::StringPiece(text.data(), text.size()), read.get(), options);
  if (!status.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(std::string(status.message().data(), status.message().size())));
  }
  message->GetReflection()->Swap(message, read.get());
  return absl::OkStatus();
}

}  // namespace paceline
