// Both ends of a stream: StreamCalls against StreamService, with a service that says what it got;
// and hostile callers against StreamService.
#include "server/service/stream_service.h"

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <catch2/catch.hpp>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "common/net/chunk_queue.h"
#include "common/net/stream_calls.h"
#include "common/net/transport.h"
#include "proto/stream.grpc.pb.h"
#include "server/service/streamed_call.h"

namespace paceline {
namespace {

constexpr size_t kBytesMax = size_t{32} << 20;

// "/echo" answers with the same words and floats, "/park" when it is told to, or not at all.
class Service final : public StreamedMethods {
 public:
  absl::StatusOr<std::shared_ptr<StreamedRequest>> Admit(const v1::CallHeader& call) override {
    if (call.method() != "/echo" && call.method() != "/park") return nullptr;
    if (call.payload_bytes() > kBytesMax || call.payload_bytes() % sizeof(float) != 0) {
      return absl::InvalidArgumentError("a payload of the wrong length");
    }
    return std::make_shared<Request>(this, call);
  }

  // Waits until as many calls are parked, or have been cancelled.
  void AwaitParked(int count) { Await(&parked_count_, count); }
  void AwaitCancelled(int count) { Await(&cancelled_, count); }

  // Answers everything that is parked.
  void Release(const absl::Status& status) {
    std::vector<std::shared_ptr<StreamedReply>> parked;
    {
      absl::MutexLock lock(&mutex_);
      parked.swap(parked_);
    }
    for (const auto& reply : parked) reply->Send(status, "late", nullptr);
  }

 private:
  class Request final : public StreamedRequest {
   public:
    Request(Service* service, const v1::CallHeader& call)
        : service_(service),
          message_(call.message()),
          parks_(call.method() == "/park"),
          block_(std::make_shared<Block>(call.payload_bytes() / sizeof(float))) {}

    absl::Span<char> room() override {
      const absl::Span<float> floats = block_->floats();
      return {reinterpret_cast<char*>(floats.data()), floats.size() * sizeof(float)};
    }
    void Start(std::shared_ptr<StreamedReply> reply) override {
      if (!parks_) {
        return reply->Send(absl::OkStatus(), message_, block_->elements() == 0 ? nullptr : block_);
      }
      absl::MutexLock lock(&service_->mutex_);
      service_->parked_.push_back(std::move(reply));
      ++service_->parked_count_;
    }
    void Cancel() override {
      absl::MutexLock lock(&service_->mutex_);
      ++service_->cancelled_;
    }

   private:
    Service* const service_;
    const std::string message_;
    const bool parks_;
    const std::shared_ptr<Block> block_;
  };

  void Await(const int* count, int wanted) {
    absl::MutexLock lock(&mutex_);
    const auto reached = [count, wanted] { return *count >= wanted; };
    REQUIRE(mutex_.AwaitWithTimeout(absl::Condition(&reached), absl::Seconds(20)));
  }

  absl::Mutex mutex_;
  std::vector<std::shared_ptr<StreamedReply>> parked_;
  int parked_count_ = 0;
  int cancelled_ = 0;
};

class Fixture {
 public:
  Fixture() : streams_({&service_}) {
    grpc::ServerBuilder builder;
    SetUpServer(&builder);
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(streams_.service());
    server_ = builder.BuildAndStart();
    REQUIRE(server_ != nullptr);
    address_ = "127.0.0.1:" + std::to_string(port);
  }
  ~Fixture() {
    streams_.Stop();
    server_->Shutdown(absl::ToChronoTime(absl::Now() + absl::Seconds(5)));
  }

  Service& service() { return service_; }
  StreamService& streams() { return streams_; }
  const std::string& address() const { return address_; }

 private:
  Service service_;
  StreamService streams_;
  std::unique_ptr<grpc::Server> server_;
  std::string address_;
};

std::shared_ptr<grpc::Channel> Connect(const std::string& address) { return MakeChannel(address); }

// One call: what it sends, what came back, in which order among others.
class Call {
 public:
  Call(uint64_t id, const Fixture& fixture, const char* method, size_t elements = 0) {
    call_.id = id;
    call_.address = fixture.address();
    call_.method = method;
    call_.timeout = absl::Seconds(30);
    call_.message = "words " + std::to_string(id);
    auto floats = std::make_shared<std::vector<float>>(elements);
    for (size_t i = 0; i < elements; ++i) (*floats)[i] = static_cast<float>(i + id);
    sent_ = floats;
    if (elements > 0)
      call_.payload = {absl::MakeConstSpan(*sent_).first(1),
                       absl::MakeConstSpan(*sent_).subspan(1)};
    call_.owner = floats;
    call_.room = [this](uint64_t bytes) -> absl::StatusOr<absl::Span<char>> {
      received_.resize(bytes / sizeof(float));
      return absl::Span<char>(reinterpret_cast<char*>(received_.data()), bytes);
    };
  }

  Call& Timeout(absl::Duration timeout) {
    call_.timeout = timeout;
    return *this;
  }
  void Start(StreamCalls* calls, std::vector<uint64_t>* order = nullptr,
             absl::Mutex* order_mutex = nullptr) {
    message_sent_ = call_.message;
    calls->Start(std::move(call_), [this, id = call_.id, order, order_mutex](
                                       const absl::Status& status, const std::string& message) {
      if (order != nullptr) {
        absl::MutexLock lock(order_mutex);
        order->push_back(id);
      }
      status_ = status;
      message_ = message;
      over_.Notify();
    });
  }

  const absl::Status& status() {
    over_.WaitForNotification();
    return status_;
  }
  bool WasEchoed() { return status().ok() && message_ == message_sent_ && received_ == *sent_; }

 private:
  StreamCall call_;
  std::shared_ptr<const std::vector<float>> sent_;
  std::string message_sent_;
  std::vector<float> received_;
  absl::Status status_;
  std::string message_;
  absl::Notification over_;
};

// A caller that writes what it likes.
class Raw {
 public:
  explicit Raw(const Fixture& fixture)
      : stub_(v1::CallStream::NewStub(Connect(fixture.address()))) {
    context_.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(20)));
    stream_ = stub_->Calls(&context_);
  }

  static v1::CallFrame Beginning(uint64_t call, const char* method, uint64_t bytes) {
    v1::CallFrame frame;
    frame.mutable_header()->set_call(call);
    frame.mutable_header()->set_method(method);
    frame.mutable_header()->set_message("words");
    frame.mutable_header()->set_payload_bytes(bytes);
    frame.mutable_header()->set_timeout_ms(10'000);
    return frame;
  }

  void Write(const v1::CallFrame& frame) { stream_->Write(frame); }
  v1::ReplyFrame Read() {
    v1::ReplyFrame frame;
    REQUIRE(stream_->Read(&frame));
    return frame;
  }
  grpc::Status Finish() {
    v1::ReplyFrame frame;
    while (stream_->Read(&frame)) {
    }
    return stream_->Finish();
  }
  void WritesDone() { stream_->WritesDone(); }

 private:
  std::unique_ptr<v1::CallStream::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::CallFrame, v1::ReplyFrame>> stream_;
};

TEST_CASE("calls of any size come through whole, both ways, many at once") {
  Fixture fixture;
  StreamCalls calls(Connect);
  std::vector<std::unique_ptr<Call>> all;
  uint64_t id = 0;

  for (const size_t elements : {size_t{0}, size_t{1}, kChunkElements, kChunkElements + 1,
                                3 * kChunkElements - 1, kBytesMax / sizeof(float)}) {
    for (int i = 0; i < 3; ++i) {
      all.push_back(std::make_unique<Call>(++id, fixture, "/echo", elements));
      all.back()->Start(&calls);
    }
  }

  for (const auto& call : all) CHECK(call->WasEchoed());
}

TEST_CASE("a small call overtakes large ones that were sent before it, begun or not") {
  Fixture fixture;
  StreamCalls calls(Connect);
  absl::Mutex mutex;
  std::vector<uint64_t> order;
  Call large(1, fixture, "/echo", kBytesMax / sizeof(float));
  Call next(2, fixture, "/echo", kBytesMax / sizeof(float));
  Call small(3, fixture, "/echo", 4);

  large.Start(&calls, &order, &mutex);
  next.Start(&calls, &order, &mutex);
  small.Start(&calls, &order, &mutex);

  CHECK(large.WasEchoed());
  CHECK(next.WasEchoed());
  CHECK(small.WasEchoed());
  absl::MutexLock lock(&mutex);
  CHECK(order == std::vector<uint64_t>{3, 1, 2});
}

TEST_CASE("a cancelled call is cancelled at the service, and a late answer is nobody's") {
  Fixture fixture;
  StreamCalls calls(Connect);
  Call parked(1, fixture, "/park");
  Call next(2, fixture, "/echo", 3);

  parked.Start(&calls);
  fixture.service().AwaitParked(1);
  calls.Cancel(1);
  CHECK(absl::IsCancelled(parked.status()));
  fixture.service().AwaitCancelled(1);
  fixture.service().Release(absl::OkStatus());
  next.Start(&calls);

  CHECK(next.WasEchoed());
}

TEST_CASE("a call that waits is answered later, also with an error, and others pass it") {
  Fixture fixture;
  StreamCalls calls(Connect);
  Call parked(1, fixture, "/park");
  Call next(2, fixture, "/echo", 3);

  parked.Start(&calls);
  fixture.service().AwaitParked(1);
  next.Start(&calls);
  CHECK(next.WasEchoed());
  fixture.service().Release(absl::AbortedError("too stale"));

  CHECK(parked.status() == absl::AbortedError("too stale"));
}

TEST_CASE("when a caller goes away its calls are cancelled") {
  Fixture fixture;
  {
    StreamCalls calls(Connect);
    Call parked(1, fixture, "/park");
    parked.Start(&calls);
    fixture.service().AwaitParked(1);
    calls.Stop();
    CHECK(absl::IsCancelled(parked.status()));
  }

  fixture.service().AwaitCancelled(1);
}

TEST_CASE("callers come and go, with calls at every stage, and leave nothing behind") {
  Fixture fixture;

  for (int i = 0; i < 60; ++i) {
    std::vector<std::unique_ptr<Call>> all;
    StreamCalls calls(Connect);
    for (uint64_t id = 1; id <= 6; ++id) {
      const char* const method = id % 2 == 0 ? "/park" : "/echo";
      all.push_back(std::make_unique<Call>(id, fixture, method, id % 3 * 2 * kChunkElements));
      all.back()->Start(&calls);
    }
    if (i % 3 == 0) CHECK(all[0]->WasEchoed());
    if (i % 3 == 1) calls.Cancel(1 + static_cast<uint64_t>(i) % 6);
    calls.Stop();
    for (const auto& call : all) {
      if (!absl::IsCancelled(call->status())) CHECK(call->status() == absl::OkStatus());
    }
  }

  StreamCalls calls(Connect);
  Call next(1, fixture, "/echo", 3);
  next.Start(&calls);
  CHECK(next.WasEchoed());
}

TEST_CASE("an unknown method and a payload that is not wanted are refused, and nothing else") {
  Fixture fixture;
  StreamCalls calls(Connect);
  Call unknown(1, fixture, "/nothing", 2 * kChunkElements);
  Call too_long(2, fixture, "/echo", kBytesMax / sizeof(float) + 1);
  Call next(3, fixture, "/echo", 2 * kChunkElements);

  unknown.Start(&calls);
  too_long.Start(&calls);
  next.Start(&calls);

  CHECK(absl::IsUnimplemented(unknown.status()));
  CHECK(absl::IsInvalidArgument(too_long.status()));
  CHECK(next.WasEchoed());
}

TEST_CASE("stopping ends streams with UNAVAILABLE once what waits has been answered") {
  Fixture fixture;
  StreamCalls calls(Connect);
  Call parked(1, fixture, "/park");
  Call late(2, fixture, "/echo", 3);
  parked.Start(&calls);
  fixture.service().AwaitParked(1);

  fixture.streams().Stop();
  fixture.service().Release(absl::OkStatus());
  CHECK(parked.status().ok());
  late.Start(&calls);

  CHECK(absl::IsUnavailable(late.status()));
}

TEST_CASE("any language's stub speaks it, and may end its side while answers are on their way") {
  Fixture fixture;
  Raw raw(fixture);
  v1::CallFrame frame = Raw::Beginning(1, "/echo", 8);
  frame.set_chunk("abc");  // Cut where no number ends.
  raw.Write(frame);
  v1::CallFrame rest;
  rest.mutable_header()->set_call(1);
  rest.set_chunk("defgh");
  raw.Write(rest);
  raw.WritesDone();

  const v1::ReplyFrame reply = raw.Read();

  CHECK(reply.header().call() == 1);
  CHECK(reply.header().begins());
  CHECK(reply.header().message() == "words");
  CHECK(reply.header().payload_bytes() == 8);
  CHECK(reply.chunk() == "abcdefgh");
  CHECK(raw.Finish().ok());
}

TEST_CASE("a caller that breaks the rules loses its stream, and nobody else's") {
  Fixture fixture;
  StreamCalls calls(Connect);
  Call good(1, fixture, "/park");
  good.Start(&calls);
  fixture.service().AwaitParked(1);
  v1::CallFrame unknown;
  unknown.mutable_header()->set_call(9);
  unknown.set_chunk("x");

  Raw one(fixture);
  one.Write(unknown);
  CHECK(one.Finish().error_code() == grpc::StatusCode::INVALID_ARGUMENT);
  Raw two(fixture);
  two.Write(Raw::Beginning(1, "/park", 0));
  fixture.service().AwaitParked(2);
  two.Write(Raw::Beginning(1, "/park", 0));  // The same number again.
  CHECK(two.Finish().error_code() == grpc::StatusCode::INVALID_ARGUMENT);
  fixture.service().AwaitCancelled(1);
  Raw three(fixture);
  three.Write(v1::CallFrame());
  CHECK(three.Finish().error_code() == grpc::StatusCode::INVALID_ARGUMENT);

  fixture.service().Release(absl::OkStatus());
  CHECK(good.status().ok());
}

TEST_CASE("a call that never ends, and one that is never answered, are over when their time is") {
  Fixture fixture;
  Raw raw(fixture);
  v1::CallFrame endless = Raw::Beginning(1, "/echo", 8);
  endless.mutable_header()->set_timeout_ms(1);
  endless.set_chunk("abcd");
  v1::CallFrame parked = Raw::Beginning(2, "/park", 0);
  parked.mutable_header()->set_timeout_ms(1);

  raw.Write(endless);
  raw.Write(parked);
  std::map<uint64_t, uint32_t> codes;
  for (int i = 0; i < 2; ++i) {
    const v1::ReplyFrame reply = raw.Read();
    codes[reply.header().call()] = reply.header().code();
  }

  const auto late = static_cast<uint32_t>(grpc::StatusCode::DEADLINE_EXCEEDED);
  CHECK(codes == std::map<uint64_t, uint32_t>{{1, late}, {2, late}});
  fixture.service().AwaitCancelled(1);
  raw.Write(Raw::Beginning(3, "/echo", 0));
  CHECK(raw.Read().header().call() == 3);
}

TEST_CASE("a caller that is far behind with reading its replies gets all of them") {
  Fixture fixture;
  Raw raw(fixture);
  constexpr uint64_t kCalls = 8 * StreamService::kUnsentMax;
  const std::string numbers(64 << 10, 'x');
  for (uint64_t call = 1; call <= kCalls; ++call) {
    v1::CallFrame frame = Raw::Beginning(call, "/echo", numbers.size());
    frame.set_chunk(numbers);
    // Writes end up in the connection's buffers, and then wait: read along.
    if (call > StreamService::kUnsentMax) CHECK(raw.Read().header().call() > 0);
    raw.Write(frame);
  }
  raw.WritesDone();

  for (uint64_t i = 0; i < StreamService::kUnsentMax; ++i) raw.Read();

  CHECK(raw.Finish().ok());
}

}  // namespace
}  // namespace paceline
