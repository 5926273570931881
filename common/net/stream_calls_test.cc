#include "common/net/stream_calls.h"

#include <grpcpp/channel.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <vector>

#include "absl/synchronization/notification.h"
#include "common/net/frame.h"
#include "common/net/transport.h"
#include "proto/stream.pb.h"

namespace paceline {
namespace {

// A peer that speaks proto/stream.proto, and breaks its rules when asked. The method says how each
// call is answered; one call at a time, requests without payload.
class Peer final : public grpc::CallbackGenericService {
 public:
  Peer() {
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterCallbackGenericService(this);
    server_ = builder.BuildAndStart();
    REQUIRE(server_ != nullptr);
    address_ = "127.0.0.1:" + std::to_string(port);
  }
  ~Peer() override { server_->Shutdown(); }

  const std::string& address() const { return address_; }
  int streams() const { return streams_; }
  int cancellations() const { return cancellations_; }

  grpc::ServerGenericBidiReactor* CreateReactor(grpc::GenericCallbackServerContext* ctx) override {
    REQUIRE(ctx->method() == "/paceline.v1.CallStream/Calls");
    ++streams_;
    return new Stream(this);
  }

 private:
  class Stream final : public grpc::ServerGenericBidiReactor {
   public:
    explicit Stream(Peer* peer) : peer_(peer) { StartRead(&in_); }

    void OnReadDone(bool ok) override {
      if (!ok) return;
      v1::CallHeader header;
      REQUIRE(DecodedFrame::Decode(in_, &header).ok());
      Answer(header);
    }
    void OnWriteDone(bool /*ok*/) override { StartRead(&in_); }
    void OnCancel() override { End(grpc::Status::CANCELLED); }
    void OnDone() override { delete this; }

   private:
    void Answer(const v1::CallHeader& call) {
      if (call.cancel()) ++peer_->cancellations_;
      if (call.cancel() || call.method() == "/silence") return StartRead(&in_);
      if (call.method() == "/hang-up") return End(grpc::Status::OK);
      if (call.method() == "/unknown") return End({grpc::StatusCode::UNIMPLEMENTED, "what?"});
      v1::ReplyHeader header;
      header.set_call(call.call());
      header.set_begins(call.method() != "/no-beginning");
      header.set_message(call.message());
      if (call.method() == "/refuse") {
        header.set_code(9);
        header.set_error("not now");
      }
      if (call.method() == "/too-much") payload_ = {1, 2};
      if (call.method() == "/floats") {
        payload_ = {1, 2};
        header.set_payload_bytes(8);
      }
      const absl::Span<const float> run = payload_;
      out_ = EncodeFrame(header, {&run, 1}, nullptr);
      if (call.method() == "/junk") {
        grpc::Slice junk("\xff\xff\xff");
        out_ = grpc::ByteBuffer(&junk, 1);
      }
      StartWrite(&out_);
    }

    void End(const grpc::Status& status) {
      if (!has_ended_.exchange(true)) Finish(status);
    }

    Peer* const peer_;
    std::atomic<bool> has_ended_{false};
    std::vector<float> payload_;
    grpc::ByteBuffer in_;
    grpc::ByteBuffer out_;
  };

  std::atomic<int> streams_{0};
  std::atomic<int> cancellations_{0};
  std::string address_;
  std::unique_ptr<grpc::Server> server_;
};

StreamCall Call(uint64_t id, const std::string& address, const char* method) {
  StreamCall call;
  call.id = id;
  call.address = address;
  call.method = method;
  call.timeout = absl::Seconds(20);
  call.message = "words";
  return call;
}

// How a call ended; waits for it.
class Outcome {
 public:
  StreamCalls::Done Sink() {
    return [this](const absl::Status& status, const std::string& message) {
      status_ = status;
      message_ = message;
      over_.Notify();
    };
  }
  bool is_over() const { return over_.HasBeenNotified(); }
  const absl::Status& status() {
    over_.WaitForNotification();
    return status_;
  }
  const std::string& message() {
    over_.WaitForNotification();
    return message_;
  }

 private:
  absl::Status status_;
  std::string message_;
  absl::Notification over_;
};

std::shared_ptr<grpc::Channel> Connect(const std::string& address) { return MakeChannel(address); }

// Of one call that is made alone.
absl::Status StatusOf(const std::string& address, const char* method) {
  StreamCalls calls(Connect);
  Outcome outcome;
  calls.Start(Call(1, address, method), outcome.Sink());
  return outcome.status();
}

TEST_CASE("a call brings the peer's words back, and small calls to one address share a stream") {
  Peer peer;
  std::atomic<int> connections{0};
  StreamCalls calls([&](const std::string& address) {
    ++connections;
    return MakeChannel(address);
  });
  Outcome first;
  Outcome second;

  calls.Start(Call(1, peer.address(), "/echo"), first.Sink());
  calls.Start(Call(2, peer.address(), "/echo"), second.Sink());

  CHECK(first.status().ok());
  CHECK(first.message() == "words");
  CHECK(second.message() == "words");
  CHECK(connections == 1);
  CHECK(peer.streams() == 1);
}

TEST_CASE("bulk calls take turns between the streams") {
  Peer peer;
  StreamCalls calls(Connect);
  std::vector<std::unique_ptr<Outcome>> outcomes;

  for (uint64_t id = 1; id <= 2 * kStreamsPerPeer; ++id) {
    StreamCall call = Call(id, peer.address(), "/echo");
    call.is_bulk = true;
    outcomes.push_back(std::make_unique<Outcome>());
    calls.Start(std::move(call), outcomes.back()->Sink());
  }

  for (const auto& outcome : outcomes) CHECK(outcome->status().ok());
  CHECK(peer.streams() == static_cast<int>(kStreamsPerPeer));
}

TEST_CASE("an address where nobody listens is UNAVAILABLE, and so is a stream that ends") {
  std::string address;
  { address = Peer().address(); }
  Peer peer;

  CHECK(absl::IsUnavailable(StatusOf(address, "/echo")));
  CHECK(absl::IsUnavailable(StatusOf(peer.address(), "/hang-up")));
  CHECK(absl::IsUnimplemented(StatusOf(peer.address(), "/unknown")));
}

TEST_CASE("after a stream has ended the next call gets another") {
  Peer peer;
  StreamCalls calls(Connect);
  Outcome first;
  Outcome second;

  calls.Start(Call(1, peer.address(), "/hang-up"), first.Sink());
  REQUIRE(absl::IsUnavailable(first.status()));
  calls.Start(Call(2, peer.address(), "/echo"), second.Sink());

  CHECK(second.message() == "words");
  CHECK(peer.streams() == 2);
}

TEST_CASE("a refusal is the call's own, and the stream goes on") {
  Peer peer;
  StreamCalls calls(Connect);
  Outcome refused;
  Outcome next;

  calls.Start(Call(1, peer.address(), "/refuse"), refused.Sink());
  CHECK(refused.status() == absl::FailedPreconditionError("not now"));
  calls.Start(Call(2, peer.address(), "/echo"), next.Sink());

  CHECK(next.status().ok());
  CHECK(peer.streams() == 1);
  CHECK(peer.cancellations() == 0);
}

TEST_CASE("a call ends with its timeout, or when it is cancelled, and the peer is told") {
  Peer peer;
  StreamCalls calls(Connect);
  Outcome late;
  Outcome cancelled;
  Outcome after;
  StreamCall short_call = Call(1, peer.address(), "/silence");
  short_call.timeout = absl::Milliseconds(50);

  calls.Start(std::move(short_call), late.Sink());
  CHECK(absl::IsDeadlineExceeded(late.status()));
  calls.Start(Call(2, peer.address(), "/silence"), cancelled.Sink());
  calls.Cancel(2);
  calls.Cancel(3);
  CHECK(absl::IsCancelled(cancelled.status()));
  calls.Start(Call(4, peer.address(), "/echo"), after.Sink());

  CHECK(after.status().ok());
  CHECK(peer.cancellations() >= 1);  // Call 2 may not have been sent yet.
}

TEST_CASE("a peer that breaks the rules ends its stream, with a reason") {
  Peer peer;

  for (const char* method : {"/junk", "/no-beginning", "/too-much"}) {
    CHECK(absl::IsInternal(StatusOf(peer.address(), method)));
  }
  CHECK(absl::IsInternal(StatusOf(peer.address(), "/floats")));  // Nobody said where they go.
}

TEST_CASE("a payload goes where the caller said, or nowhere") {
  Peer peer;
  StreamCalls calls(Connect);
  Outcome taken;
  Outcome declined;
  std::vector<float> floats(2);
  StreamCall wanting = Call(1, peer.address(), "/floats");
  wanting.room = [&](uint64_t bytes) -> absl::StatusOr<absl::Span<char>> {
    REQUIRE(bytes == 8);
    return absl::Span<char>(reinterpret_cast<char*>(floats.data()), bytes);
  };
  StreamCall declining = Call(2, peer.address(), "/floats");
  declining.room = [](uint64_t) -> absl::StatusOr<absl::Span<char>> {
    return absl::OutOfRangeError("too many");
  };

  calls.Start(std::move(wanting), taken.Sink());
  calls.Start(std::move(declining), declined.Sink());

  CHECK(taken.status().ok());
  CHECK(floats == std::vector<float>{1, 2});
  CHECK(absl::IsOutOfRange(declined.status()));
}

TEST_CASE("stopping ends every call, and none is begun after it, not even by an outcome") {
  Peer peer;
  StreamCalls calls(Connect);
  Outcome again;
  Outcome open;
  calls.Start(Call(1, peer.address(), "/silence"),
              [&](const absl::Status& status, const std::string& message) {
                calls.Start(Call(2, peer.address(), "/echo"), again.Sink());
                open.Sink()(status, message);
              });

  calls.Stop();

  CHECK(open.is_over());
  CHECK(absl::IsCancelled(open.status()));
  CHECK_FALSE(again.is_over());
}

}  // namespace
}  // namespace paceline
