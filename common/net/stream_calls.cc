#include "common/net/stream_calls.h"

#include <grpcpp/alarm.h>
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/generic/generic_stub.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/net/chunk_queue.h"
#include "common/net/frame.h"
#include "common/net/grpc_status.h"
#include "proto/stream.pb.h"

namespace paceline {
namespace {

// Streams that nobody has used for this long are closed.
constexpr absl::Duration kIdle = absl::Minutes(1);

constexpr char kPath[] = "/paceline.v1.CallStream/Calls";

// What the end of a stream means to its calls. One that was ended in good order, or by our own
// hanging up, says nothing of them.
absl::Status Broken(const grpc::Status& status) {
  const absl::Status seen = FromGrpcStatus(status);
  const bool says_why = !seen.ok() && !absl::IsCancelled(seen) && !absl::IsUnknown(seen);
  return says_why ? seen : absl::UnavailableError("the stream to the server has ended");
}

v1::CallHeader HeaderOf(StreamCall* call) {
  v1::CallHeader header;
  header.set_method(call->method);
  header.set_message(std::move(call->message));
  uint64_t bytes = 0;
  for (absl::Span<const float> run : call->payload) bytes += run.size() * sizeof(float);
  header.set_payload_bytes(bytes);
  const int64_t timeout_ms = absl::ToInt64Milliseconds(call->timeout) + 1;
  header.set_timeout_ms(static_cast<uint32_t>(std::clamp<int64_t>(timeout_ms, 1, 600'000)));
  return header;
}

}  // namespace

class StreamCalls::Impl {
 public:
  explicit Impl(Connect connect) : connect_(std::move(connect)) {}

  void Start(StreamCall call, Done done) ABSL_LOCKS_EXCLUDED(mutex_) {
    auto running = std::make_shared<Running>();
    running->id = call.id;
    running->done = std::move(done);
    running->room = std::move(call.room);
    const absl::Time now = SteadyNow();
    running->deadline = now + call.timeout;
    Chunk<v1::CallHeader> message;
    message.header = HeaderOf(&call);
    message.payload = std::move(call.payload);
    message.owner = std::move(call.owner);
    std::vector<Peer> idle;  // They close when no lock is held.
    {
      absl::MutexLock lock(&mutex_);
      if (stopped_) return;
      PACELINE_CHECK(running_.emplace(call.id, running).second);
      idle = TakeIdleLocked(now);
      running->stream = StreamLocked(call.address, call.is_bulk, now);
      Stream& stream = *running->stream;
      running->key = ++stream.last_key;
      stream.calls.emplace(running->key, running);
      stream.queue.Add(running->key, std::move(message));
      deadlines_.emplace(running->deadline, running->id);
      ArmLocked(running->deadline, now);
    }
    Pump(running->stream.get());
    for (Peer& peer : idle) peer.Close();
  }

  void Cancel(uint64_t id) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    const auto found = running_.find(id);
    if (found != running_.end()) CancelLocked(found->second.get());
  }

  void Stop() ABSL_LOCKS_EXCLUDED(mutex_, streams_mutex_) {
    std::map<std::string, Peer> peers;
    {
      absl::MutexLock lock(&mutex_);
      stopped_ = true;
      for (auto& [id, running] : running_) CancelLocked(running.get());
      mutex_.Await(absl::Condition(&Impl::IsQuiet, this));
      alarm_.reset();
      mutex_.Await(absl::Condition(
          +[](int* alarms) { return *alarms == 0; }, &alarms_));
      peers.swap(peers_);
    }
    for (auto& [address, peer] : peers) {
      peer.Close();
      peer.streams = {};
    }
    // Streams end on gRPC's threads, and a process's last channel joins those as it goes: that is
    // done here, when no stream holds one any more.
    absl::MutexLock lock(&streams_mutex_);
    streams_mutex_.Await(absl::Condition(
        +[](int* streams) { return *streams == 0; }, &streams_));
  }

 private:
  class Stream;

  struct Running {
    uint64_t id = 0;
    Done done;
    std::function<absl::StatusOr<absl::Span<char>>(uint64_t)> room;
    std::shared_ptr<Stream> stream;
    uint64_t key = 0;  // Among its stream's calls.

    // Guarded by mutex_.
    uint64_t number = 0;  // On the wire; 0: it has not begun.
    absl::Time deadline;
    bool is_cancelled = false;

    // Of the reactions to what the stream reads, which follow one another.
    bool has_begun = false;
    std::string message;
    absl::Span<char> left;  // Of the reply's payload: where the rest goes.
  };

  // Counts one stream for Stop, from before it has anything of gRPC's until after.
  class Counted {
   public:
    explicit Counted(Impl* impl) : impl_(impl) {
      absl::MutexLock lock(&impl_->streams_mutex_);
      ++impl_->streams_;
    }
    ~Counted() {
      absl::MutexLock lock(&impl_->streams_mutex_);
      --impl_->streams_;
    }
    Counted(const Counted&) = delete;
    Counted& operator=(const Counted&) = delete;

   private:
    Impl* const impl_;
  };

  // One stream; gRPC's reactions are its methods. The fields belong to the Impl, under its mutex.
  class Stream final : public grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
   public:
    Stream(Impl* impl, std::shared_ptr<grpc::GenericStub> stub)
        : impl_(impl), counted_(impl), stub_(std::move(stub)) {}

    void Open(std::shared_ptr<Stream> self) {
      self_ = std::move(self);
      stub_->PrepareBidiStreamingCall(&context_, kPath, grpc::StubOptions(), this);
      AddHold();  // Until Close's end: writes begin outside of reactions.
      StartRead(&in_);
      StartCall();
    }

    void Write(const Chunk<v1::CallHeader>& chunk) {
      out_ = EncodeFrame(chunk.header, chunk.payload, chunk.owner);
      StartWrite(&out_);
    }

    // The calls that it still has end as `why`, or as the stream itself does.
    void Hang(absl::Status why = absl::OkStatus()) {
      if (!why.ok()) why_ = std::move(why);
      context_.TryCancel();
    }

    void OnWriteDone(bool ok) override {
      out_.Clear();  // What was sent is let go.
      impl_->OnWriteDone(this, ok);
    }

    void OnReadDone(bool ok) override {
      if (!ok) return impl_->OnEnd(this);
      absl::Status status = impl_->OnReply(this, in_);
      in_.Clear();
      if (!status.ok()) Hang(std::move(status));
      StartRead(&in_);
    }

    void OnDone(const grpc::Status& status) override {
      const std::shared_ptr<Stream> self = std::move(self_);
      impl_->OnDone(self, why_.ok() ? Broken(status) : why_);
    }

    // Guarded by the Impl's mutex.
    ChunkQueue<v1::CallHeader> queue;
    std::map<uint64_t, std::shared_ptr<Running>> calls;  // By key.
    std::map<uint64_t, uint64_t> keys;                   // By number, of those that have begun.
    uint64_t last_key = 0;
    uint64_t last_number = 0;  // Given as calls begin: small ones overtake large ones.
    bool is_writing = false;
    bool is_over = false;  // Nothing more can be read or written.
    bool is_held = true;

   private:
    Impl* const impl_;
    const Counted counted_;
    const std::shared_ptr<grpc::GenericStub> stub_;
    grpc::ClientContext context_;
    grpc::ByteBuffer in_;
    grpc::ByteBuffer out_;
    absl::Status why_;              // Of OnReadDone.
    std::shared_ptr<Stream> self_;  // Until OnDone.
  };

  struct Peer {
    std::array<std::shared_ptr<grpc::GenericStub>, kStreamsPerPeer> stubs;
    std::array<std::shared_ptr<Stream>, kStreamsPerPeer> streams;
    size_t next = 0;
    absl::Time last_used;

    void Close() {
      for (const auto& stream : streams) {
        if (stream != nullptr) stream->Hang();
      }
    }
  };

  // A condition: the mutex is held, by whoever changed something.
  static bool IsQuiet(Impl* self) ABSL_NO_THREAD_SAFETY_ANALYSIS {
    return self->running_.empty() && self->ending_ == 0;
  }

  std::shared_ptr<Stream> StreamLocked(const std::string& address, bool is_bulk, absl::Time now)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    Peer& peer = peers_[address];
    peer.last_used = now;
    // Small ones stay together: they are cheaper behind one another.
    const size_t which = is_bulk ? peer.next++ % kStreamsPerPeer : 0;
    std::shared_ptr<Stream>& stream = peer.streams[which];
    if (stream != nullptr && !stream->is_over) return stream;
    std::shared_ptr<grpc::GenericStub>& stub = peer.stubs[which];
    if (stub == nullptr) stub = std::make_shared<grpc::GenericStub>(connect_(address));
    stream = std::make_shared<Stream>(this, stub);
    stream->Open(stream);
    return stream;
  }

  std::vector<Peer> TakeIdleLocked(absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    std::vector<Peer> idle;
    if (now < next_sweep_) return idle;
    next_sweep_ = now + kIdle;
    for (auto it = peers_.begin(); it != peers_.end();) {
      const bool is_idle = it->second.last_used + kIdle < now && !HasCalls(it->second);
      if (is_idle) idle.push_back(std::move(it->second));
      it = is_idle ? peers_.erase(it) : std::next(it);
    }
    return idle;
  }

  static bool HasCalls(const Peer& peer) {
    return std::any_of(peer.streams.begin(), peer.streams.end(), [](const auto& stream) {
      return stream != nullptr && !stream->calls.empty();
    });
  }

  // Writes what is next on the stream, if nothing is being written.
  void Pump(Stream* stream) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::optional<Chunk<v1::CallHeader>> chunk;
    {
      absl::MutexLock lock(&mutex_);
      if (stream->is_writing || stream->is_over) return;
      chunk = stream->queue.Next([stream](uint64_t key, v1::CallHeader* header) {
        if (header->cancel()) return;
        header->set_call(++stream->last_number);
        stream->calls.at(key)->number = header->call();
        stream->keys.emplace(header->call(), key);
      });
      if (!chunk.has_value()) return;
      stream->is_writing = true;
    }
    stream->Write(*chunk);
  }

  void OnWriteDone(Stream* stream, bool ok) ABSL_LOCKS_EXCLUDED(mutex_) {
    bool lets_go = false;
    {
      absl::MutexLock lock(&mutex_);
      stream->is_writing = false;
      if (!ok) stream->is_over = true;
      lets_go = LetsGoLocked(stream);
    }
    if (lets_go) return stream->RemoveHold();
    Pump(stream);
  }

  void OnEnd(Stream* stream) ABSL_LOCKS_EXCLUDED(mutex_) {
    bool lets_go = false;
    {
      absl::MutexLock lock(&mutex_);
      stream->is_over = true;
      lets_go = LetsGoLocked(stream);
    }
    if (lets_go) stream->RemoveHold();
  }

  // Whether the hold is to be removed now, after which no write may begin.
  static bool LetsGoLocked(Stream* stream) {
    if (!stream->is_over || stream->is_writing || !stream->is_held) return false;
    stream->is_held = false;
    return true;
  }

  void OnDone(const std::shared_ptr<Stream>& stream, const absl::Status& status)
      ABSL_LOCKS_EXCLUDED(mutex_) {
    std::map<uint64_t, std::shared_ptr<Running>> calls;
    {
      absl::MutexLock lock(&mutex_);
      stream->is_over = true;
      calls = stream->calls;
    }
    for (const auto& [key, running] : calls) End(running.get(), status);
  }

  // Not OK: the peer does not keep to the rules.
  absl::Status OnReply(Stream* stream, const grpc::ByteBuffer& buffer) ABSL_LOCKS_EXCLUDED(mutex_) {
    v1::ReplyHeader header;
    const auto frame = DecodedFrame::Decode(buffer, &header);
    if (!frame.ok()) {
      return absl::InternalError(
          absl::StrCat("the server's stream: ", std::string(frame.status().message())));
    }
    std::shared_ptr<Running> running;
    {
      absl::MutexLock lock(&mutex_);
      const auto found = stream->keys.find(header.call());
      if (found == stream->keys.end()) return absl::OkStatus();  // It was given up here.
      running = stream->calls.at(found->second);
    }
    if (header.begins() == running->has_begun ||
        frame->payload_bytes() > BytesLeft(*running, header)) {
      return absl::InternalError(absl::StrCat("the server's stream: a frame of reply ",
                                              header.call(), " with ", frame->payload_bytes(),
                                              " bytes is out of place"));
    }
    if (header.begins()) {
      const absl::Status begun = Begin(&header, running.get());
      if (!begun.ok()) {
        GiveUp(running.get(), begun, /*tells_peer=*/header.code() == 0);
        return absl::OkStatus();
      }
    }
    frame->CopyBytes(running->left.first(frame->payload_bytes()));
    running->left.remove_prefix(frame->payload_bytes());
    if (running->left.empty()) End(running.get(), absl::OkStatus());
    return absl::OkStatus();
  }

  static uint64_t BytesLeft(const Running& running, const v1::ReplyHeader& header) {
    return header.begins() ? header.payload_bytes() : running.left.size();
  }

  static absl::Status Begin(v1::ReplyHeader* header, Running* running) {
    running->has_begun = true;
    if (header->code() != 0) {
      return FromGrpcStatus(
          grpc::Status(static_cast<grpc::StatusCode>(header->code()), header->error()));
    }
    running->message = std::move(*header->mutable_message());
    const uint64_t bytes = header->payload_bytes();
    if (bytes == 0) return absl::OkStatus();
    if (running->room == nullptr) {
      return absl::InternalError(
          absl::StrCat("the server's reply has a payload of ", bytes, " bytes; wanted none"));
    }
    const auto room = running->room(bytes);
    if (!room.ok()) return room.status();
    PACELINE_CHECK(room->size() == bytes);
    running->left = *room;
    return absl::OkStatus();
  }

  // Ends a call, once: whoever takes it out of running_ tells its sender.
  void End(Running* running, const absl::Status& status) ABSL_LOCKS_EXCLUDED(mutex_) {
    std::shared_ptr<Running> taken;
    {
      absl::MutexLock lock(&mutex_);
      taken = TakeLocked(running);
      if (taken == nullptr) return;
    }
    Tell(taken.get(), status);
  }

  std::shared_ptr<Running> TakeLocked(Running* running) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const auto found = running_.find(running->id);
    if (found == running_.end() || found->second.get() != running) return nullptr;
    std::shared_ptr<Running> taken = std::move(found->second);
    running_.erase(found);
    deadlines_.erase({taken->deadline, taken->id});
    taken->stream->calls.erase(taken->key);
    taken->stream->keys.erase(taken->number);
    ++ending_;
    return taken;
  }

  void Tell(Running* running, const absl::Status& status) ABSL_LOCKS_EXCLUDED(mutex_) {
    running->done(status, running->message);
    running->done = nullptr;
    absl::MutexLock lock(&mutex_);  // Last: Stop waits for it.
    --ending_;
  }

  // Ends a call of which something may still have to be sent, or the peer may be busy with.
  void GiveUp(Running* running, const absl::Status& status, bool tells_peer)
      ABSL_LOCKS_EXCLUDED(mutex_) {
    std::shared_ptr<Running> taken;
    {
      absl::MutexLock lock(&mutex_);
      taken = TakeLocked(running);
      if (taken == nullptr) return;
      taken->stream->queue.Drop(taken->key);
      if (tells_peer && taken->number != 0) {
        Chunk<v1::CallHeader> cancel;
        cancel.header.set_call(taken->number);
        cancel.header.set_cancel(true);
        taken->stream->queue.Add(/*key=*/0, std::move(cancel));
      }
    }
    Pump(taken->stream.get());
    Tell(taken.get(), status);
  }

  // Its end comes through the alarm, so that no caller of Cancel meets its own `done`.
  void CancelLocked(Running* running) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const absl::Time now = SteadyNow();
    deadlines_.erase({running->deadline, running->id});
    running->is_cancelled = true;
    running->deadline = now;
    deadlines_.emplace(now, running->id);
    ArmLocked(now, now);
  }

  void ArmLocked(absl::Time deadline, absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (armed_for_ <= deadline) return;
    armed_for_ = deadline;
    ++alarms_;
    alarm_ = std::make_unique<grpc::Alarm>();  // The former reacts, too: it was cancelled.
    alarm_->Set(absl::ToChronoTime(absl::Now() + (deadline - now)),
                [this, number = ++last_alarm_](bool) { OnAlarm(number); });
  }

  void OnAlarm(uint64_t number) ABSL_LOCKS_EXCLUDED(mutex_) {
    std::vector<std::pair<std::shared_ptr<Running>, bool>> due;
    {
      absl::MutexLock lock(&mutex_);
      if (number != last_alarm_) {
        --alarms_;
        return;
      }
      armed_for_ = absl::InfiniteFuture();
      const absl::Time now = SteadyNow();
      for (const auto& [deadline, id] : deadlines_) {
        if (deadline > now) break;
        const auto found = running_.find(id);
        due.emplace_back(found->second, found->second->is_cancelled);
      }
    }
    for (const auto& [running, is_cancelled] : due) {
      const absl::Status why = is_cancelled ? absl::CancelledError("cancelled by the caller")
                                            : absl::DeadlineExceededError("no answer in time");
      GiveUp(running.get(), why, /*tells_peer=*/true);
    }
    absl::MutexLock lock(&mutex_);  // Last: Stop waits for it.
    if (!deadlines_.empty()) ArmLocked(deadlines_.begin()->first, SteadyNow());
    --alarms_;
  }

  const Connect connect_;
  absl::Mutex mutex_;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Time next_sweep_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  std::map<std::string, Peer> peers_ ABSL_GUARDED_BY(mutex_);
  std::map<uint64_t, std::shared_ptr<Running>> running_ ABSL_GUARDED_BY(mutex_);
  std::set<std::pair<absl::Time, uint64_t>> deadlines_ ABSL_GUARDED_BY(mutex_);  // Of running_.
  // Goes off at the earliest deadline, or before.
  std::unique_ptr<grpc::Alarm> alarm_ ABSL_GUARDED_BY(mutex_);
  absl::Time armed_for_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteFuture();
  uint64_t last_alarm_ ABSL_GUARDED_BY(mutex_) = 0;
  // What Stop waits for: alarms whose reaction is to come, calls whose `done` is running, and
  // streams that still exist. A stream may go while mutex_ is held, so it has another to count down
  // under.
  int alarms_ ABSL_GUARDED_BY(mutex_) = 0;
  int ending_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Mutex streams_mutex_ ABSL_ACQUIRED_AFTER(mutex_);
  int streams_ ABSL_GUARDED_BY(streams_mutex_) = 0;
};

StreamCalls::StreamCalls(Connect connect) : impl_(std::make_unique<Impl>(std::move(connect))) {}
StreamCalls::~StreamCalls() { impl_->Stop(); }

void StreamCalls::Start(StreamCall call, Done done) {
  impl_->Start(std::move(call), std::move(done));
}
void StreamCalls::Cancel(uint64_t id) { impl_->Cancel(id); }
void StreamCalls::Stop() { impl_->Stop(); }

}  // namespace paceline
