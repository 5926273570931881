// The messages, fields and comments of one .proto file, from its text: what docs/spec.md is made
// of.
//
// Reads the layout that proto/ is written in (one field, brace or comment to a line, comments above
// what they describe), not every .proto file.
//
// Errors   InvalidArgument: a line that is not of that layout.
// Threads  Pure functions.
#ifndef PACELINE_COMMON_JOB_PROTO_TEXT_H_
#define PACELINE_COMMON_JOB_PROTO_TEXT_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace paceline {

struct ProtoField {
  std::string type;   // "uint64", "DataSpec", "map<string, double>".
  std::string label;  // "optional", "repeated" or "".
  std::string name;
  std::string oneof;  // The oneof it is a member of, or "".
  std::string comment;
};

struct ProtoEnum {
  struct Value {
    std::string name;
    std::string comment;
  };
  std::string name;
  std::vector<Value> values;
};

struct ProtoMessage {
  std::string name;
  std::string comment;
  std::vector<ProtoField> fields;
  std::vector<ProtoEnum> enums;
};

// Comments are joined to one line, without the slashes.
absl::StatusOr<std::vector<ProtoMessage>> ParseProtoText(absl::string_view text);

}  // namespace paceline

#endif  // PACELINE_COMMON_JOB_PROTO_TEXT_H_
