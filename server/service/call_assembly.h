// The calls of one stream, from their frames: what proto/stream.proto demands of a caller is
// checked here, and nothing else.
//
// Shapes   A call's payload is written where its request says, as it comes.
// Units    `now`, the caller's clock, never goes back.
// Errors   Of Take: INVALID_ARGUMENT, the stream must end: a frame out of place. Of one call
//          (Event::refused): INVALID_ARGUMENT, RESOURCE_EXHAUSTED (too much is open on all streams
//          together), and what `admit` says. Memory is bounded: one open call, of a size that was
//          admitted, within the budget.
// Threads  One at a time.
// Source   docs/protocol.md, "Streams".
#ifndef PACELINE_SERVER_SERVICE_CALL_ASSEMBLY_H_
#define PACELINE_SERVER_SERVICE_CALL_ASSEMBLY_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "common/net/frame_parser.h"
#include "proto/stream.pb.h"
#include "server/service/streamed_call.h"

namespace paceline {

// Bytes that open calls of many streams may claim together; a single one may be as large as it is.
// Threads: safe.
class OpenBytes {
 public:
  explicit OpenBytes(uint64_t max) : max_(max) {}

  // False: there is no room.
  bool Take(uint64_t bytes);
  void Give(uint64_t bytes) { used_ -= bytes; }
  uint64_t used() const { return used_; }

 private:
  const uint64_t max_;
  std::atomic<uint64_t> used_{0};
};

class CallAssembly {
 public:
  using Admit =
      std::function<absl::StatusOr<std::shared_ptr<StreamedRequest>>(const v1::CallHeader&)>;

  // What came of a frame, if anything: a call is whole, or was refused, or is nobody's any more.
  struct Event {
    uint64_t call = 0;
    std::shared_ptr<StreamedRequest> whole;
    absl::Time deadline;  // With `whole`.
    absl::Status refused;
    bool is_cancelled = false;
  };

  // `open` outlives it.
  CallAssembly(Admit admit, OpenBytes* open) : admit_(std::move(admit)), budget_(open) {}
  ~CallAssembly() { Drop(); }
  CallAssembly(const CallAssembly&) = delete;
  CallAssembly& operator=(const CallAssembly&) = delete;

  absl::StatusOr<Event> Take(absl::Time now, const v1::CallHeader& header,
                             const FramePayload& chunk);

  // Lets go of the open call if its time is over, and says which it was.
  absl::optional<uint64_t> DropOverdue(absl::Time now);
  // Lets go of the open call, if there is one.
  void Drop();

 private:
  struct Open {
    uint64_t call = 0;
    std::shared_ptr<StreamedRequest> request;
    absl::Time deadline;
    uint64_t bytes = 0;     // Of the budget.
    absl::Span<char> left;  // Where the rest goes.
  };

  absl::StatusOr<Event> Cancel(const v1::CallHeader& header, const FramePayload& chunk);
  absl::StatusOr<Event> Begin(absl::Time now, const v1::CallHeader& header,
                              const FramePayload& chunk);
  absl::StatusOr<Event> Continue(const v1::CallHeader& header, const FramePayload& chunk);
  // Of the newest call, which keeps to the stream's rules.
  absl::StatusOr<Open> AdmitCall(absl::Time now, const v1::CallHeader& header);

  const Admit admit_;
  OpenBytes* const budget_;
  uint64_t last_call_ = 0;
  absl::optional<Open> open_;
};

}  // namespace paceline

#endif  // PACELINE_SERVER_SERVICE_CALL_ASSEMBLY_H_
