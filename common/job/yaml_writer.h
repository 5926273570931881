// A protobuf message as YAML that yaml_reader reads back to the same message.
//
// Threads  Pure functions.
#ifndef PACELINE_COMMON_JOB_YAML_WRITER_H_
#define PACELINE_COMMON_JOB_YAML_WRITER_H_

#include <string>

namespace google::protobuf {
class Message;
}  // namespace google::protobuf

namespace paceline {

// Every field that is set, and every number and enum that cannot be unset, in the order of the
// proto; map entries by key. Unknown fields and enum values are left out.
std::string WriteYaml(const google::protobuf::Message& message);

}  // namespace paceline

#endif  // PACELINE_COMMON_JOB_YAML_WRITER_H_
