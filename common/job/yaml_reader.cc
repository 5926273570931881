#include "common/job/yaml_reader.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/base/status_macros.h"
#include "common/job/nearest_word.h"
#include "common/job/yaml_scalar.h"
#include "common/job/yaml_tree.h"

namespace paceline {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::OneofDescriptor;
using google::protobuf::Reflection;
using Kind = YamlNode::Kind;

std::vector<std::string> FieldNames(const Descriptor& type) {
  std::vector<std::string> names;
  for (int i = 0; i < type.field_count(); ++i) names.push_back(type.field(i)->name());
  return names;
}

std::vector<std::string> MemberNames(const OneofDescriptor& oneof) {
  std::vector<std::string> names;
  for (int i = 0; i < oneof.field_count(); ++i) names.push_back(oneof.field(i)->name());
  return names;
}

// The message's oneof that a person chooses from, if it has one.
const OneofDescriptor* OneofOf(const Descriptor& type) {
  return type.real_oneof_decl_count() > 0 ? type.oneof_decl(0) : nullptr;
}

std::string Join(absl::string_view path, absl::string_view name) {
  return path.empty() ? std::string(name) : absl::StrCat(path, ".", name);
}

// The path of the whole message reads as "the spec".
std::string Spoken(absl::string_view path) { return std::string(path.empty() ? "the spec" : path); }

std::string Seen(const YamlNode& node) {
  switch (node.kind) {
    case Kind::kNull:
      return "empty";
    case Kind::kScalar:
      return QuoteScalar(node.scalar, node.quoted);
    case Kind::kSequence:
      return "a list";
    case Kind::kMapping:
      return "a mapping";
  }
  return "";
}

class Reader {
 public:
  // `origins`: where to note the fields' lines; null if a line means nothing to the reader of an
  // error.
  Reader(absl::string_view source, YamlOrigins* origins) : source_(source), origins_(origins) {}

  absl::Status Error(int line, absl::string_view what) const {
    const std::string where = origins_ != nullptr ? absl::StrCat(source_, ":", line) : source_;
    return absl::InvalidArgumentError(absl::StrCat(where, ": ", what));
  }

  absl::Status ReadMessage(const YamlNode& node, absl::string_view path, Message* message) const {
    switch (node.kind) {
      case Kind::kNull:
        return absl::OkStatus();
      case Kind::kScalar:
        return ReadShorthand(node, path, message);
      case Kind::kSequence:
        return ReadListShorthand(node, path, message);
      case Kind::kMapping:
        break;
    }
    for (const YamlNode::Entry& entry : node.entries) {
      const FieldDescriptor* field = message->GetDescriptor()->FindFieldByName(entry.key);
      if (field == nullptr) return UnknownKey(entry.line, entry.key, path, *message);
      RETURN_IF_ERROR(CheckOneof(entry.line, path, *field, *message));
      const std::string field_path = Join(path, entry.key);
      Note(field_path, entry.line);
      RETURN_IF_ERROR(ReadField(*entry.value, field_path, *field, message));
    }
    return absl::OkStatus();
  }

  absl::Status ReadField(const YamlNode& node, const std::string& path,
                         const FieldDescriptor& field, Message* message) const {
    const Reflection* reflection = message->GetReflection();
    if (field.is_map()) return ReadMap(node, path, field, message);
    if (field.is_repeated()) return ReadList(node, path, field, message);
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      return ReadMessage(node, path, reflection->MutableMessage(message, &field));
    }
    return ReadScalar(node, path, field, message);
  }

  absl::Status UnknownKey(int line, absl::string_view key, absl::string_view path,
                          const Message& message) const {
    const std::string in = path.empty() ? "" : absl::StrCat(" in ", path);
    return Error(line, absl::StrCat("unknown key '", absl::Utf8SafeCEscape(key), "'", in, "; ",
                                    Suggest(key, FieldNames(*message.GetDescriptor()))));
  }

  // Refuses `field` when another member of its oneof is already there.
  absl::Status CheckOneof(int line, absl::string_view path, const FieldDescriptor& field,
                          const Message& message) const {
    const OneofDescriptor* oneof = field.real_containing_oneof();
    if (oneof == nullptr) return absl::OkStatus();
    const FieldDescriptor* set = message.GetReflection()->GetOneofFieldDescriptor(message, oneof);
    if (set == nullptr || set == &field) return absl::OkStatus();
    return Error(line,
                 absl::StrCat(Spoken(path), " has both '", set->name(), "' and '", field.name(),
                              "'; wanted one of ", absl::StrJoin(MemberNames(*oneof), ", ")));
  }

 private:
  void Note(const std::string& path, int line) const {
    if (origins_ != nullptr) origins_->SetLine(path, line);
  }

  absl::Status Wrong(const YamlNode& node, absl::string_view path, absl::string_view wanted) const {
    return Error(node.line, absl::StrCat(Spoken(path), " is ", Seen(node), "; wanted ", wanted));
  }

  // Where one of `words` is wanted.
  absl::Status WrongWord(const YamlNode& node, absl::string_view path,
                         const std::vector<std::string>& words) const {
    return Error(node.line,
                 absl::StrCat(Spoken(path), " is ", Seen(node), "; ", Suggest(node.scalar, words)));
  }

  // A scalar where a message is wanted.
  absl::Status ReadShorthand(const YamlNode& node, absl::string_view path, Message* message) const {
    const Descriptor& type = *message->GetDescriptor();
    if (const OneofDescriptor* oneof = OneofOf(type)) {
      const FieldDescriptor* member = type.FindFieldByName(node.scalar);
      if (member != nullptr && member->real_containing_oneof() == oneof) {
        message->GetReflection()->MutableMessage(message, member);
        return absl::OkStatus();
      }
      // A number may still be the first field.
      if (node.quoted || !LooksLikeNumber(node.scalar) || type.field(0)->real_containing_oneof()) {
        return WrongWord(node, path, MemberNames(*oneof));
      }
    }
    const bool has_short = !path.empty() && type.field_count() > 0 &&
                           !type.field(0)->is_repeated() &&
                           type.field(0)->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE;
    if (!has_short) {
      return Wrong(node, path, type.field_count() > 0 ? "a mapping" : "nothing: it has no fields");
    }
    return ReadScalar(node, Join(path, type.field(0)->name()), *type.field(0), message);
  }

  // A list where a message is wanted.
  absl::Status ReadListShorthand(const YamlNode& node, absl::string_view path,
                                 Message* message) const {
    const Descriptor& type = *message->GetDescriptor();
    if (path.empty() || type.field_count() == 0 || !type.field(0)->is_repeated()) {
      return Wrong(node, path, type.field_count() > 0 ? "a mapping" : "nothing: it has no fields");
    }
    return ReadList(node, Join(path, type.field(0)->name()), *type.field(0), message);
  }

  absl::Status ReadList(const YamlNode& node, const std::string& path, const FieldDescriptor& field,
                        Message* message) const {
    if (node.kind != Kind::kSequence) return Wrong(node, path, "a list");
    const Reflection* reflection = message->GetReflection();
    for (size_t i = 0; i < node.items.size(); ++i) {
      const std::string item_path = absl::StrCat(path, "[", i, "]");
      Note(item_path, node.items[i]->line);
      if (field.cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) {
        RETURN_IF_ERROR(ReadScalar(*node.items[i], item_path, field, message));
        continue;
      }
      if (node.items[i]->kind == Kind::kNull) return Wrong(*node.items[i], item_path, "a value");
      RETURN_IF_ERROR(
          ReadMessage(*node.items[i], item_path, reflection->AddMessage(message, &field)));
    }
    return absl::OkStatus();
  }

  absl::Status ReadMap(const YamlNode& node, const std::string& path, const FieldDescriptor& field,
                       Message* message) const {
    if (node.kind != Kind::kMapping) return Wrong(node, path, "a mapping");
    const FieldDescriptor* key = field.message_type()->map_key();
    const FieldDescriptor* value = field.message_type()->map_value();
    for (const YamlNode::Entry& entry : node.entries) {
      Message* pair = message->GetReflection()->AddMessage(message, &field);
      YamlNode name;
      name.kind = Kind::kScalar;
      name.scalar = entry.key;
      name.line = entry.line;
      RETURN_IF_ERROR(ReadScalar(name, absl::StrCat("a key of ", path), *key, pair));
      const std::string value_path = Join(path, entry.key);
      Note(value_path, entry.line);
      RETURN_IF_ERROR(ReadField(*entry.value, value_path, *value, pair));
    }
    return absl::OkStatus();
  }

  // Sets, or appends to a repeated field, one scalar.
  absl::Status ReadScalar(const YamlNode& node, const std::string& path,
                          const FieldDescriptor& field, Message* message) const {
    if (node.kind != Kind::kScalar) return Wrong(node, path, WantedOf(field));
    if (StoreScalar(node.scalar, node.quoted, field, message)) return absl::OkStatus();
    if (field.cpp_type() != FieldDescriptor::CPPTYPE_ENUM)
      return Wrong(node, path, WantedOf(field));
    return WrongWord(node, path, EnumWords(*field.enum_type()));
  }

  const std::string source_;
  YamlOrigins* const origins_;
};

// Walks the path to the message that holds its last name, then replaces that field.
class Setter {
 public:
  Setter(Reader reader, std::vector<std::string> names)
      : reader_(std::move(reader)), names_(std::move(names)) {}

  // `path` becomes the field's path as errors name it.
  absl::Status Set(const YamlNode& value, Message* message, std::string* path) {
    for (size_t i = 0;; ++i) {
      const FieldDescriptor* field = message->GetDescriptor()->FindFieldByName(names_[i]);
      if (field == nullptr) return reader_.UnknownKey(0, names_[i], *path, *message);
      RETURN_IF_ERROR(reader_.CheckOneof(0, *path, *field, *message));
      *path = Join(*path, names_[i]);
      const Reflection* reflection = message->GetReflection();
      if (i + 1 == names_.size()) {
        reflection->ClearField(message, field);
        return reader_.ReadField(value, *path, *field, message);
      }
      if (field->is_map() || field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) {
        return reader_.Error(0, absl::StrCat(*path, " has no fields; set it as a whole"));
      }
      if (!field->is_repeated()) {
        message = reflection->MutableMessage(message, field);
        continue;
      }
      ++i;
      const int count = reflection->FieldSize(*message, field);
      int index = -1;
      if (!absl::SimpleAtoi(names_[i], &index) || index < 0 || index >= count) {
        return reader_.Error(0, absl::StrCat("'", absl::Utf8SafeCEscape(names_[i]), "' in ", *path,
                                             "; wanted an index below ", count));
      }
      message = reflection->MutableRepeatedMessage(message, field, index);
      absl::StrAppend(path, "[", index, "]");
      if (i + 1 == names_.size()) {
        message->Clear();
        return reader_.ReadMessage(value, *path, message);
      }
    }
  }

 private:
  const Reader reader_;
  const std::vector<std::string> names_;
};

}  // namespace

absl::Status ReadYaml(absl::string_view text, absl::string_view file_name, Message* message,
                      YamlOrigins* origins) {
  ASSIGN_OR_RETURN(const std::shared_ptr<const YamlNode> tree, ParseYamlTree(text, file_name));
  if (tree->kind == Kind::kNull) {
    return absl::InvalidArgumentError(absl::StrCat(file_name, " is empty; wanted a mapping"));
  }
  return Reader(file_name, origins).ReadMessage(*tree, "", message);
}

absl::Status SetFromYaml(absl::string_view assignment, Message* message, YamlOrigins* origins) {
  const size_t equals = assignment.find('=');
  const absl::string_view path = assignment.substr(0, std::min(equals, assignment.size()));
  const std::string source = absl::StrCat("--set ", absl::Utf8SafeCEscape(path));
  if (equals == absl::string_view::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat(source, ": wanted <field>=<value>, as in train.epochs=3"));
  }
  ASSIGN_OR_RETURN(const std::shared_ptr<const YamlNode> value,
                   ParseYamlTree(assignment.substr(equals + 1), source));
  std::string field;
  Setter setter(Reader(source, nullptr), absl::StrSplit(path, '.'));
  RETURN_IF_ERROR(setter.Set(*value, message, &field));
  origins->Replace(field, source);
  return absl::OkStatus();
}

}  // namespace paceline
