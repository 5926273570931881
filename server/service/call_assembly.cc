#include "server/service/call_assembly.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/base/status_macros.h"

namespace paceline {
namespace {

constexpr uint32_t kTimeoutMsMax = 600'000;

absl::Status OutOfPlace(uint64_t call, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("stream: frame of call ", call, ": ", why));
}

}  // namespace

bool OpenBytes::Take(uint64_t bytes) {
  uint64_t used = used_;
  do {
    if (used > 0 && (bytes > max_ || used > max_ - bytes)) return false;
  } while (!used_.compare_exchange_weak(used, used + bytes));
  return true;
}

absl::StatusOr<CallAssembly::Event> CallAssembly::Take(absl::Time now, const v1::CallHeader& header,
                                                       const FramePayload& chunk) {
  if (header.call() == 0) return OutOfPlace(0, "calls are numbered from 1");
  if (header.cancel()) return Cancel(header, chunk);
  if (!header.method().empty()) return Begin(now, header, chunk);
  return Continue(header, chunk);
}

absl::StatusOr<CallAssembly::Event> CallAssembly::Cancel(const v1::CallHeader& header,
                                                         const FramePayload& chunk) {
  if (header.call() > last_call_ || !header.method().empty() || chunk.bytes > 0) {
    return OutOfPlace(header.call(), "a cancellation of a call that has not begun, or more in it");
  }
  Event event;
  event.call = header.call();
  event.is_cancelled = true;
  if (open_.has_value() && open_->call == header.call()) Drop();
  return event;
}

absl::StatusOr<CallAssembly::Event> CallAssembly::Begin(absl::Time now,
                                                        const v1::CallHeader& header,
                                                        const FramePayload& chunk) {
  const uint64_t call = header.call();
  if (call <= last_call_) {
    return OutOfPlace(call, absl::StrCat("it begins after call ", last_call_, " had"));
  }
  const bool is_whole = chunk.bytes == header.payload_bytes();
  if (chunk.bytes > header.payload_bytes()) {
    return OutOfPlace(call, absl::StrCat("a chunk of ", chunk.bytes, " bytes of ",
                                         header.payload_bytes(), " announced"));
  }
  if (!is_whole && open_.has_value()) {
    return OutOfPlace(call, absl::StrCat("call ", open_->call, " is open, and it is not whole"));
  }
  last_call_ = call;
  Event event;
  event.call = call;
  absl::StatusOr<Open> begun = AdmitCall(now, header);
  if (!begun.ok()) {
    event.refused = begun.status();
    return event;
  }
  CopyPayloadBytes(chunk, begun->left.first(chunk.bytes));
  if (is_whole) {
    budget_->Give(begun->bytes);
    event.whole = std::move(begun->request);
    event.deadline = begun->deadline;
    return event;
  }
  begun->left.remove_prefix(chunk.bytes);
  open_ = *std::move(begun);
  return Event();
}

absl::StatusOr<CallAssembly::Open> CallAssembly::AdmitCall(absl::Time now,
                                                           const v1::CallHeader& header) {
  const uint32_t timeout_ms = header.timeout_ms();
  if (timeout_ms < 1 || timeout_ms > kTimeoutMsMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("call: timeout_ms is ", timeout_ms, "; wanted [1, ", kTimeoutMsMax, "]"));
  }
  Open open;
  open.call = header.call();
  open.deadline = now + absl::Milliseconds(timeout_ms);
  open.bytes = header.payload_bytes();
  if (!budget_->Take(open.bytes)) {
    return absl::ResourceExhaustedError(absl::StrCat("call: open calls hold ", budget_->used(),
                                                     " bytes; there is no room for ", open.bytes,
                                                     " more: retry later, it is safe"));
  }
  absl::StatusOr<std::shared_ptr<StreamedRequest>> request = admit_(header);
  if (!request.ok()) {
    budget_->Give(open.bytes);
    return request.status();
  }
  open.request = *std::move(request);
  open.left = open.request->room();
  PACELINE_CHECK(open.left.size() == open.bytes);
  return open;
}

absl::StatusOr<CallAssembly::Event> CallAssembly::Continue(const v1::CallHeader& header,
                                                           const FramePayload& chunk) {
  const uint64_t call = header.call();
  if (call > last_call_) return OutOfPlace(call, "it has not begun: no method");
  if (!open_.has_value() || open_->call != call) return Event();  // Refused, or given up.
  if (chunk.bytes == 0 || chunk.bytes > open_->left.size()) {
    return OutOfPlace(call, absl::StrCat("a chunk of ", chunk.bytes, " bytes; ", open_->left.size(),
                                         " are wanted"));
  }
  CopyPayloadBytes(chunk, open_->left.first(chunk.bytes));
  open_->left.remove_prefix(chunk.bytes);
  if (!open_->left.empty()) return Event();
  Event event;
  event.call = call;
  event.deadline = open_->deadline;
  event.whole = std::move(open_->request);
  Drop();
  return event;
}

absl::optional<uint64_t> CallAssembly::DropOverdue(absl::Time now) {
  if (!open_.has_value() || open_->deadline > now) return absl::nullopt;
  const uint64_t call = open_->call;
  Drop();
  return call;
}

void CallAssembly::Drop() {
  if (open_.has_value()) budget_->Give(open_->bytes);
  open_.reset();
}

}  // namespace paceline
