#include "server/service/stream_service.h"

#include <grpcpp/alarm.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include <map>
#include <set>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "common/base/clock.h"
#include "common/net/chunk_queue.h"
#include "common/net/frame.h"
#include "common/net/grpc_status.h"
#include "proto/stream.grpc.pb.h"
#include "server/service/call_assembly.h"

namespace paceline {
namespace {

using RawService = v1::CallStream::WithRawCallbackMethod_Calls<v1::CallStream::Service>;

constexpr absl::Duration kSweepInterval = absl::Milliseconds(500);

absl::Status Stopping() {
  return absl::UnavailableError("this server is shutting down; retry, it is safe");
}

Chunk<v1::ReplyHeader> ReplyOf(uint64_t call, const absl::Status& status, std::string message,
                               BlockRef payload) {
  Chunk<v1::ReplyHeader> reply;
  reply.header.set_call(call);
  reply.header.set_begins(true);
  if (!status.ok()) {
    const grpc::Status shortened = ToGrpcStatus(status);
    reply.header.set_code(static_cast<uint32_t>(shortened.error_code()));
    reply.header.set_error(shortened.error_message());
    return reply;
  }
  reply.header.set_message(std::move(message));
  if (payload == nullptr) return reply;
  reply.header.set_payload_bytes(payload->elements() * sizeof(float));
  reply.payload.push_back(payload->floats());
  reply.owner = std::move(payload);
  return reply;
}

}  // namespace

class StreamService::Transport final : public RawService {
 public:
  explicit Transport(std::vector<StreamedMethods*> services) : services_(std::move(services)) {
    absl::MutexLock lock(&mutex_);
    ArmLocked();
  }

  ~Transport() override {
    absl::MutexLock lock(&mutex_);
    is_over_ = true;
    alarm_->Cancel();
    mutex_.Await(absl::Condition(&is_disarmed_));
  }

  grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* Calls(
      grpc::CallbackServerContext* /*context*/) override;

  void Stop() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  class Stream;
  class Reply;

  absl::StatusOr<std::shared_ptr<StreamedRequest>> Admit(const v1::CallHeader& call) {
    for (StreamedMethods* const service : services_) {
      absl::StatusOr<std::shared_ptr<StreamedRequest>> admitted = service->Admit(call);
      if (!admitted.ok() || *admitted != nullptr) return admitted;
    }
    return absl::UnimplementedError(
        absl::StrCat("no method \"", call.method().substr(0, 128), "\" can be called here"));
  }

  std::vector<std::shared_ptr<Stream>> All() ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    return {streams_.begin(), streams_.end()};
  }

  void Forget(const std::shared_ptr<Stream>& stream) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    streams_.erase(stream);
  }

  void ArmLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    alarm_ = std::make_unique<grpc::Alarm>();
    alarm_->Set(absl::ToChronoTime(absl::Now() + kSweepInterval), [this](bool) { Sweep(); });
  }
  void Sweep() ABSL_LOCKS_EXCLUDED(mutex_);

  const std::vector<StreamedMethods*> services_;
  OpenBytes open_bytes_{kOpenBytesMax};
  absl::Mutex mutex_;
  std::set<std::shared_ptr<Stream>> streams_ ABSL_GUARDED_BY(mutex_);
  bool is_stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::unique_ptr<grpc::Alarm> alarm_ ABSL_GUARDED_BY(mutex_);
  bool is_over_ ABSL_GUARDED_BY(mutex_) = false;
  bool is_disarmed_ ABSL_GUARDED_BY(mutex_) = false;
};

// One stream, from its beginning to OnDone. Frames are read one after the other, so at most one
// call is being started.
class StreamService::Transport::Stream final
    : public grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>,
      public std::enable_shared_from_this<Stream> {
 public:
  explicit Stream(Transport* transport)
      : transport_(transport),
        assembly_([transport](const v1::CallHeader& call) { return transport->Admit(call); },
                  &transport->open_bytes_) {}

  void Open(bool is_stopping) {
    self_ = shared_from_this();
    if (is_stopping) return Stop();
    StartRead(&in_);
  }

  // Its calls have been answered, or will be.
  void Stop() {
    {
      absl::MutexLock lock(&mutex_);
      is_stopping_ = true;
    }
    FinishIfOver();
  }

  void OnReadDone(bool ok) override {
    if (!ok) {
      {
        absl::MutexLock lock(&mutex_);
        input_is_over_ = true;
      }
      return FinishIfOver();
    }
    const absl::Status status = OnFrame();
    in_.Clear();
    if (!status.ok()) return End(status);
    absl::MutexLock lock(&mutex_);
    ReadOnLocked();
  }

  void OnWriteDone(bool ok) override {
    out_.Clear();  // What was sent is let go.
    {
      absl::MutexLock lock(&mutex_);
      is_writing_ = false;
      if (is_paused_) ReadOnLocked();
    }
    if (!ok) End(absl::UnavailableError("the caller is gone"));
    Pump();
    FinishIfOver();
  }

  void OnCancel() override { End(absl::CancelledError("the caller went away")); }

  void OnDone() override {
    const std::shared_ptr<Stream> self = std::move(self_);
    {
      absl::MutexLock lock(&assembly_mutex_);
      assembly_.Drop();
    }
    transport_->Forget(self);
  }

  // The service's answer; nobody's if the call was cancelled.
  void Answer(uint64_t call, const absl::Status& status, std::string message, BlockRef payload) {
    {
      absl::MutexLock lock(&mutex_);
      if (calls_.erase(call) == 0) return;
      unsent_.Add(call, ReplyOf(call, status, std::move(message), std::move(payload)));
    }
    Pump();
    FinishIfOver();
  }

  void ForgetOverdue(absl::Time now);

 private:
  struct Begun {
    std::shared_ptr<StreamedRequest> request;
    absl::Time deadline;
  };

  absl::Status OnFrame();
  void Begin(CallAssembly::Event event);
  void Cancel(uint64_t call);
  void Refuse(uint64_t call, const absl::Status& status);
  // The stream ends with `status`, and its calls with it.
  void End(const absl::Status& status);
  void CancelAll(const std::map<uint64_t, Begun>& calls);
  void Pump();
  void FinishIfOver();

  void ReadOnLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    is_paused_ = unsent_.messages() > kUnsentMax;
    if (!is_paused_ && !has_ended_ && !is_finished_) StartRead(&in_);
  }

  Transport* const transport_;
  grpc::ByteBuffer in_;
  grpc::ByteBuffer out_;
  std::shared_ptr<Stream> self_;  // Until OnDone.

  // Held while a chunk is copied; never with mutex_.
  absl::Mutex assembly_mutex_;
  CallAssembly assembly_ ABSL_GUARDED_BY(assembly_mutex_);

  absl::Mutex mutex_;
  std::map<uint64_t, Begun> calls_ ABSL_GUARDED_BY(mutex_);  // Not yet answered.
  ChunkQueue<v1::ReplyHeader> unsent_ ABSL_GUARDED_BY(mutex_);
  // The call inside StreamedRequest::Start, which must not meet its Cancel: that comes after it.
  uint64_t starting_ ABSL_GUARDED_BY(mutex_) = 0;
  bool starting_is_cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  bool is_writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool is_paused_ ABSL_GUARDED_BY(mutex_) = false;
  bool input_is_over_ ABSL_GUARDED_BY(mutex_) = false;
  bool is_stopping_ ABSL_GUARDED_BY(mutex_) = false;
  bool has_ended_ ABSL_GUARDED_BY(mutex_) = false;
  bool is_finished_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status ended_ ABSL_GUARDED_BY(mutex_);  // With has_ended_.
};

class StreamService::Transport::Reply final : public StreamedReply {
 public:
  Reply(std::shared_ptr<Stream> stream, uint64_t call) : stream_(std::move(stream)), call_(call) {}

  void Send(const absl::Status& status, std::string message, BlockRef payload) override {
    stream_->Answer(call_, status, std::move(message), std::move(payload));
  }

 private:
  const std::shared_ptr<Stream> stream_;
  const uint64_t call_;
};

absl::Status StreamService::Transport::Stream::OnFrame() {
  v1::CallHeader header;
  const auto frame = DecodedFrame::Decode(in_, &header);
  if (!frame.ok()) return frame.status();
  absl::StatusOr<CallAssembly::Event> event;
  {
    absl::MutexLock lock(&assembly_mutex_);
    event = assembly_.Take(SteadyNow(), header, frame->payload());
  }
  if (!event.ok()) return event.status();
  if (!event->refused.ok()) {
    Refuse(event->call, event->refused);
  } else if (event->is_cancelled) {
    Cancel(event->call);
  } else if (event->whole != nullptr) {
    Begin(*std::move(event));
  }
  return absl::OkStatus();
}

void StreamService::Transport::Stream::Begin(CallAssembly::Event event) {
  absl::Status refused;
  {
    absl::MutexLock lock(&mutex_);
    if (has_ended_) return;
    if (is_stopping_) refused = Stopping();
    if (calls_.size() >= kCallsMax) {
      refused = absl::ResourceExhaustedError(absl::StrCat(
          "stream: ", calls_.size(), " calls wait for an answer; retry later, it is safe"));
    }
    if (refused.ok()) {
      calls_[event.call] = {event.whole, event.deadline};
      starting_ = event.call;
      starting_is_cancelled_ = false;
    }
  }
  if (!refused.ok()) return Refuse(event.call, refused);
  event.whole->Start(std::make_shared<Reply>(shared_from_this(), event.call));
  bool is_cancelled = false;
  {
    absl::MutexLock lock(&mutex_);
    starting_ = 0;
    is_cancelled = starting_is_cancelled_;
  }
  if (is_cancelled) event.whole->Cancel();
}

void StreamService::Transport::Stream::Cancel(uint64_t call) {
  std::map<uint64_t, Begun> cancelled;
  {
    absl::MutexLock lock(&mutex_);
    const auto found = calls_.find(call);
    if (found == calls_.end()) return;  // It has been answered.
    cancelled.insert(calls_.extract(found));
  }
  CancelAll(cancelled);
}

void StreamService::Transport::Stream::Refuse(uint64_t call, const absl::Status& status) {
  {
    absl::MutexLock lock(&mutex_);
    if (has_ended_) return;
    unsent_.Add(call, ReplyOf(call, status, "", nullptr));
  }
  Pump();
}

void StreamService::Transport::Stream::End(const absl::Status& status) {
  std::map<uint64_t, Begun> cancelled;
  {
    absl::MutexLock lock(&mutex_);
    if (has_ended_) return;
    has_ended_ = true;
    ended_ = status;
    cancelled.swap(calls_);
    unsent_ = {};
  }
  CancelAll(cancelled);
  FinishIfOver();
}

void StreamService::Transport::Stream::CancelAll(const std::map<uint64_t, Begun>& calls) {
  for (const auto& [call, begun] : calls) {
    {
      absl::MutexLock lock(&mutex_);
      if (call == starting_) {
        starting_is_cancelled_ = true;
        continue;
      }
    }
    begun.request->Cancel();
  }
}

void StreamService::Transport::Stream::ForgetOverdue(absl::Time now) {
  absl::optional<uint64_t> open;
  {
    absl::MutexLock lock(&assembly_mutex_);
    open = assembly_.DropOverdue(now);
  }
  const auto late =
      absl::DeadlineExceededError("the call's timeout_ms are over; retry, it is safe");
  if (open.has_value()) Refuse(*open, late);
  std::map<uint64_t, Begun> overdue;
  {
    absl::MutexLock lock(&mutex_);
    for (auto it = calls_.begin(); it != calls_.end();) {
      const auto here = it++;
      if (here->second.deadline > now) continue;
      unsent_.Add(here->first, ReplyOf(here->first, late, "", nullptr));
      overdue.insert(calls_.extract(here));
    }
  }
  CancelAll(overdue);
  if (!overdue.empty()) Pump();
}

void StreamService::Transport::Stream::Pump() {
  absl::optional<Chunk<v1::ReplyHeader>> chunk;
  {
    absl::MutexLock lock(&mutex_);
    if (is_writing_ || has_ended_ || is_finished_) return;
    chunk = unsent_.Next();
    if (!chunk.has_value()) return;
    is_writing_ = true;
  }
  out_ = EncodeFrame(chunk->header, chunk->payload, chunk->owner);
  StartWrite(&out_);
}

void StreamService::Transport::Stream::FinishIfOver() {
  grpc::Status status;
  {
    absl::MutexLock lock(&mutex_);
    const bool is_done = (input_is_over_ || is_stopping_) && calls_.empty() && unsent_.empty();
    if (is_finished_ || is_writing_ || (!has_ended_ && !is_done)) return;
    is_finished_ = true;
    if (has_ended_) {
      status = ToGrpcStatus(ended_);
    } else if (is_stopping_) {
      status = ToGrpcStatus(Stopping());
    }
  }
  Finish(status);
}

grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* StreamService::Transport::Calls(
    grpc::CallbackServerContext* /*context*/) {
  const auto stream = std::make_shared<Stream>(this);
  bool is_stopping = false;
  {
    absl::MutexLock lock(&mutex_);
    streams_.insert(stream);
    is_stopping = is_stopping_;
  }
  stream->Open(is_stopping);
  return stream.get();
}

void StreamService::Transport::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    is_stopping_ = true;
  }
  for (const auto& stream : All()) stream->Stop();
}

void StreamService::Transport::Sweep() {
  const absl::Time now = SteadyNow();
  for (const auto& stream : All()) stream->ForgetOverdue(now);
  absl::MutexLock lock(&mutex_);
  if (is_over_) {
    is_disarmed_ = true;
  } else {
    ArmLocked();
  }
}

StreamService::StreamService(std::vector<StreamedMethods*> services)
    : transport_(std::make_unique<Transport>(std::move(services))) {}

StreamService::~StreamService() = default;

grpc::Service* StreamService::service() { return transport_.get(); }

void StreamService::Stop() { transport_->Stop(); }

}  // namespace paceline
