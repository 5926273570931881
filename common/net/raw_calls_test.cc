#include "common/net/raw_calls.h"

#include <grpcpp/channel.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <grpcpp/support/slice.h>

#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "common/net/transport.h"

namespace paceline {
namespace {

std::string Text(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  if (!buffer.Valid() || !buffer.Dump(&slices).ok()) return "";
  std::string text;
  for (const grpc::Slice& slice : slices) {
    text.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return text;
}

grpc::ByteBuffer Buffer(const std::string& text) {
  grpc::Slice slice(text);
  return grpc::ByteBuffer(&slice, 1);
}

// Answers "/echo" with what it got; never answers anything else.
class EchoServer final : public grpc::CallbackGenericService {
 public:
  EchoServer() {
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterCallbackGenericService(this);
    server_ = builder.BuildAndStart();
    REQUIRE(server_ != nullptr);
    address_ = "127.0.0.1:" + std::to_string(port);
  }
  ~EchoServer() override { server_->Shutdown(); }

  const std::string& address() const { return address_; }

  grpc::ServerGenericBidiReactor* CreateReactor(grpc::GenericCallbackServerContext* ctx) override {
    return new Echo(ctx->method() == "/echo");
  }

 private:
  class Echo final : public grpc::ServerGenericBidiReactor {
   public:
    explicit Echo(bool answers) : answers_(answers) { StartRead(&message_); }
    void OnReadDone(bool ok) override {
      if (ok && answers_) StartWriteAndFinish(&message_, {}, grpc::Status::OK);
    }
    void OnCancel() override { Finish(grpc::Status::CANCELLED); }
    void OnDone() override { delete this; }

   private:
    const bool answers_;
    grpc::ByteBuffer message_;
  };

  std::string address_;
  std::unique_ptr<grpc::Server> server_;
};

RawCall Call(uint64_t id, const std::string& address, const char* method) {
  RawCall call;
  call.id = id;
  call.address = address;
  call.method = method;
  call.timeout = absl::Seconds(20);
  call.request = Buffer("words");
  return call;
}

// How a call ended; waits for it.
class Outcome {
 public:
  RawCalls::Done Sink() {
    return [this](const absl::Status& status, const grpc::ByteBuffer& reply) {
      status_ = status;
      text_ = Text(reply);
      over_.Notify();
    };
  }
  bool is_over() const { return over_.HasBeenNotified(); }
  const absl::Status& status() {
    over_.WaitForNotification();
    return status_;
  }
  const std::string& text() {
    over_.WaitForNotification();
    return text_;
  }

 private:
  absl::Status status_;
  std::string text_;
  absl::Notification over_;
};

std::shared_ptr<grpc::Channel> Connect(const std::string& address) { return MakeChannel(address); }

TEST_CASE("a call brings the peer's bytes back, and calls to one address share a connection") {
  EchoServer server;
  int connections = 0;
  RawCalls calls([&](const std::string& address) {
    ++connections;
    return MakeChannel(address);
  });
  Outcome first;
  Outcome second;

  calls.Start(Call(1, server.address(), "/echo"), first.Sink());
  calls.Start(Call(2, server.address(), "/echo"), second.Sink());

  CHECK(first.status().ok());
  CHECK(first.text() == "words");
  CHECK(second.text() == "words");
  CHECK(connections == 1);
}

TEST_CASE("an address where nobody listens is UNAVAILABLE") {
  std::string address;
  { address = EchoServer().address(); }
  RawCalls calls(Connect);
  Outcome outcome;

  calls.Start(Call(1, address, "/echo"), outcome.Sink());

  CHECK(absl::IsUnavailable(outcome.status()));
}

TEST_CASE("a call ends with its timeout, or when it is cancelled") {
  EchoServer server;
  RawCalls calls(Connect);
  Outcome late;
  Outcome cancelled;
  RawCall short_call = Call(1, server.address(), "/silence");
  short_call.timeout = absl::Milliseconds(50);

  calls.Start(std::move(short_call), late.Sink());
  calls.Start(Call(2, server.address(), "/silence"), cancelled.Sink());
  calls.Cancel(2);
  calls.Cancel(3);

  CHECK(absl::IsDeadlineExceeded(late.status()));
  CHECK(absl::IsCancelled(cancelled.status()));
}

TEST_CASE("stopping ends every call, and none is begun after it, not even by an outcome") {
  EchoServer server;
  RawCalls calls(Connect);
  Outcome again;
  Outcome open;
  calls.Start(Call(1, server.address(), "/silence"),
              [&](const absl::Status& status, const grpc::ByteBuffer& reply) {
                calls.Start(Call(2, server.address(), "/echo"), again.Sink());
                open.Sink()(status, reply);
              });

  calls.Stop();

  CHECK(open.is_over());
  CHECK(absl::IsCancelled(open.status()));
  CHECK_FALSE(again.is_over());
}

}  // namespace
}  // namespace paceline
