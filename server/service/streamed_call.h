// What a service does with calls that come over a stream (proto/stream.proto).
//
// Threads  Admit and Start: any thread. Start and Cancel of one request: one after the other.
#ifndef PACELINE_SERVER_SERVICE_STREAMED_CALL_H_
#define PACELINE_SERVER_SERVICE_STREAMED_CALL_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "common/tensor/block.h"

namespace paceline {

namespace v1 {
class CallHeader;
}  // namespace v1

// Where the answer to one request goes.
class StreamedReply {
 public:
  virtual ~StreamedReply() = default;
  // Once, from any thread. `message` is the reply without its field 15, which is `payload` (null:
  // none).
  virtual void Send(const absl::Status& status, std::string message, BlockRef payload) = 0;
};

class StreamedRequest {
 public:
  virtual ~StreamedRequest() = default;
  // Where the payload goes: exactly as many bytes as the call said that there are.
  virtual absl::Span<char> room() = 0;
  // All of it is there.
  virtual void Start(std::shared_ptr<StreamedReply> reply) = 0;
  // After Start: nobody waits any more. Does nothing if it has been answered.
  virtual void Cancel() = 0;
};

class StreamedMethods {
 public:
  virtual ~StreamedMethods() = default;
  // Looks at a call before its payload is there. Null: the method is another service's.
  virtual absl::StatusOr<std::shared_ptr<StreamedRequest>> Admit(const v1::CallHeader& call) = 0;
};

}  // namespace paceline

#endif  // PACELINE_SERVER_SERVICE_STREAMED_CALL_H_
