// YAML to protobuf and back, strictly, for any message: keys are field names.
//
// A mapping is a message (or a map field), a list a repeated field. A scalar where a message is
// wanted is the member of that name of the message's oneof, with nothing set (`relu`), or else the
// message's first field (`linear: 128`); a list is its first field, a repeated one (`reshape: [7, 4]`). A message without a value (`adam:`) has nothing set. Enum
// values are their names in lower case. Numbers are exact to their type: no 1.5 or 1e3 for an
// integer, no quotes.
//
// Errors   InvalidArgument, "file:line: ...", naming what was seen and what was wanted: unknown
//          keys and words (with the nearest known one), values of the wrong type, two members of
//          one oneof, and all that yaml_tree.h names. On any error `message` is unspecified but valid.
// Threads  Pure functions.
#ifndef PACELINE_COMMON_JOB_YAML_READER_H_
#define PACELINE_COMMON_JOB_YAML_READER_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "common/job/yaml_origins.h"

namespace google::protobuf {
class Message;
}  // namespace google::protobuf

namespace paceline {

// Reads `text` into `message`, which is empty, and the line of each field into `origins`.
absl::Status ReadYaml(absl::string_view text, absl::string_view file_name,
                      google::protobuf::Message* message, YamlOrigins* origins);

// Replaces one field by "path=value": the path is field names and list indices joined by dots
// (train.epochs, model.layers.0.linear.units), the value is YAML. A message or list is replaced as
// a whole. In `origins` the field then comes from "--set path".
absl::Status SetFromYaml(absl::string_view assignment, google::protobuf::Message* message,
                         YamlOrigins* origins);

}  // namespace paceline

#endif  // PACELINE_COMMON_JOB_YAML_READER_H_
