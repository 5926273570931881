#include "client/control_client.h"

#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/net/coordinator_choice.h"
#include "proto/control.grpc.pb.h"

namespace paceline {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(10);

// A server of a fleet: the coordinator, or one that sends callers on.
class FakeServer : public v1::ControlService::Service {
 public:
  FakeServer() {
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
    REQUIRE(server_ != nullptr);
    address_ = absl::StrCat("127.0.0.1:", port);
  }

  grpc::Status ListJobs(grpc::ServerContext* context, const v1::ListJobsRequest*,
                        v1::ListJobsReply* reply) override {
    ++calls;
    if (coordinates) {
      reply->add_jobs()->set_job(address_);
      return grpc::Status::OK;
    }
    context->AddTrailingMetadata(kCoordinatorKey, hint);
    return grpc::Status(grpc::StatusCode::UNAVAILABLE, "not me");
  }

  void End() { server_->Shutdown(); }
  const std::string& address() const { return address_; }

  // Set between calls.
  bool coordinates = false;
  std::string hint;
  std::atomic<int> calls{0};

 private:
  std::string address_;
  std::unique_ptr<grpc::Server> server_;
};

// Who answers; empty: nobody.
std::string Answerer(ControlClient* client, absl::Duration patience = kPatience) {
  const auto reply = client->ListJobs({}, patience);
  return reply.ok() ? reply->jobs(0).job() : "";
}

TEST_CASE("a call goes from a server that is not the coordinator to the one it names") {
  FakeServer other;
  FakeServer coordinator;
  other.hint = coordinator.address();
  coordinator.coordinates = true;
  ControlClient client(other.address());

  CHECK(Answerer(&client) == coordinator.address());
  CHECK(Answerer(&client) == coordinator.address());
  CHECK(other.calls == 1);
}

TEST_CASE("when the coordinator dies the next of the list is asked") {
  FakeServer first;
  FakeServer second;
  first.coordinates = true;
  ControlClient client(absl::StrCat(first.address(), ",", second.address()));
  REQUIRE(Answerer(&client) == first.address());

  first.End();
  second.coordinates = true;

  CHECK(Answerer(&client) == second.address());
  CHECK(second.calls == 1);
}

TEST_CASE("a call goes on among servers that have no coordinator until its time is over") {
  FakeServer first;
  FakeServer second;
  second.hint = first.address();
  ControlClient client(absl::StrCat(first.address(), ",", second.address()));

  const auto reply = client.ListJobs({}, absl::Seconds(1));

  CHECK(absl::IsUnavailable(reply.status()));
  CHECK(first.calls > 1);
  CHECK(second.calls > 1);
}

TEST_CASE("a refusal of the coordinator itself is final") {
  FakeServer coordinator;
  FakeServer other;
  coordinator.hint = kCoordinatorHere;
  ControlClient client(absl::StrCat(coordinator.address(), ",", other.address()));

  CHECK(absl::IsUnavailable(client.ListJobs({}, kPatience).status()));
  CHECK(coordinator.calls == 1);
  CHECK(other.calls == 0);
}

TEST_CASE("where nobody listens the call ends when each address has refused") {
  FakeServer first;
  FakeServer second;
  first.End();
  second.End();
  ControlClient client(absl::StrCat(first.address(), ",", second.address()));

  const auto reply = client.ListJobs({}, absl::Hours(1));

  CHECK(absl::IsUnavailable(reply.status()));
  CHECK(std::string(reply.status().message()).find(second.address()) != std::string::npos);
}

TEST_CASE("after Stop a call is cancelled") {
  FakeServer other;
  ControlClient client(other.address());
  client.Stop();
  CHECK(absl::IsCancelled(client.ListJobs({}, kPatience).status()));
  CHECK(other.calls == 0);
}

}  // namespace
}  // namespace paceline
