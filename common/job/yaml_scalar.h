// One scalar of YAML as the value of one protobuf field, both ways.
//
// Threads  Pure functions.
#ifndef PACELINE_COMMON_JOB_YAML_SCALAR_H_
#define PACELINE_COMMON_JOB_YAML_SCALAR_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace google::protobuf {
class EnumDescriptor;
class FieldDescriptor;
class Message;
}  // namespace google::protobuf

namespace paceline {

// What the field takes, for an error: "a whole number in [0, 4294967295]", "true or false".
std::string WantedOf(const google::protobuf::FieldDescriptor& field);

// Sets, or appends to, `field` what `text` says. False, with nothing changed, if it is not what
// WantedOf names. `quoted` text is a string or an enum's word only.
bool StoreScalar(absl::string_view text, bool quoted,
                 const google::protobuf::FieldDescriptor& field,
                 google::protobuf::Message* message);

// Whether the text has no control characters, as every string of a spec.
bool IsCleanText(absl::string_view text);

// Whether the text begins as a number does.
bool LooksLikeNumber(absl::string_view text);

// The text in quotes, escaped and cut to a length fit for an error.
std::string QuoteScalar(absl::string_view text, bool quoted);

// The enum's values in lower case, without the one that means "not given".
std::vector<std::string> EnumWords(const google::protobuf::EnumDescriptor& type);

// The shortest decimal that reads back as the same number: "0.001", not "0.0010000000474974513".
std::string FloatText(float value);
std::string DoubleText(double value);

}  // namespace paceline

#endif  // PACELINE_COMMON_JOB_YAML_SCALAR_H_
