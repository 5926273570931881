// A protobuf message as JSON that a person can read and that reads back to the same message.
//
// Numbers are numbers, enums their names, keys the names of the .proto, sorted. Of messages of
// proto/checkpoint.proto every number and text is written, of others only those that are set or not
// 0.
//
// Errors   InvalidArgument: not JSON, deeper than kJsonDepthMax, a key twice in one object, an
// unknown key, a value
//          of another type than the message's. On any error nothing has been changed.
// Threads  Pure functions.
#ifndef PACELINE_SERVER_CHECKPOINT_MESSAGE_JSON_H_
#define PACELINE_SERVER_CHECKPOINT_MESSAGE_JSON_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace google::protobuf {
class Message;
}  // namespace google::protobuf

namespace paceline {

inline constexpr int kJsonDepthMax = 32;

// Indented by one space a level. Text fields that are not UTF-8 have what is not replaced.
std::string MessageToText(const google::protobuf::Message& message);

// Replaces `message`.
absl::Status TextToMessage(absl::string_view text, google::protobuf::Message* message);

// InvalidArgument unless `text` is one JSON value whose objects name each key once and which is not
// deeper than kJsonDepthMax. For whoever parses JSON from outside.
absl::Status CheckJson(absl::string_view text);

}  // namespace paceline

#endif  // PACELINE_SERVER_CHECKPOINT_MESSAGE_JSON_H_
