#include "server/service/parameter_service.h"

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <catch2/catch.hpp>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/net/transport.h"
#include "proto/parameter.grpc.pb.h"
#include "server/partition/partition_testing.h"

namespace paceline {
namespace {

// Partitions 0 and 1 of job-1 behind a gRPC server; a worker called "reader" and one called
// "writer".
class ServedPartitions {
 public:
  explicit ServedPartitions(const v1::JobDirective& job = BareJob("job-1"))
      : service_(
            PartitionHost::Options(), [] {}, nullptr) {
    v1::ServerSyncReply reply;
    reply.set_changed(true);
    reply.mutable_server()->set_id("s1");
    reply.mutable_server()->set_incarnation(1);
    *reply.add_jobs() = job;
    service_.host()->OnDirectives(absl::Now(), reply);
    grpc::ServerBuilder builder;
    SetUpServer(&builder);
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(service_.service());
    server_ = builder.BuildAndStart();
    REQUIRE(server_ != nullptr);
    address_ = absl::StrCat("127.0.0.1:", port);
  }

  std::unique_ptr<v1::ParameterService::Stub> Connect() const {
    return v1::ParameterService::NewStub(MakeChannel(address_));
  }

  // Returns once every call has ended, OnCancel and all.
  void Shutdown() { server_->Shutdown(); }

  int Waits() {
    int waits = 0;
    for (const auto& report : service_.host()->Report(absl::Now())) waits += report.waits_size();
    return waits;
  }

  static v1::PullRequest PullOf(uint32_t partition, uint64_t exact_version) {
    v1::PullRequest request;
    *request.mutable_key() = KeyOf("job-1", partition);
    *request.mutable_worker() = WorkerOf("reader");
    request.set_exact_version(exact_version);
    return request;
  }

  v1::PushFrame PushOf(uint32_t partition, uint64_t clock) {
    v1::PushFrame frame;
    v1::PushHeader* const header = frame.mutable_header();
    *header->mutable_key() = KeyOf("job-1", partition);
    *header->mutable_worker() = WorkerOf("writer");
    header->set_clock(clock);
    header->set_base_version(clock);
    header->set_dtype(v1::FLOAT32);
    header->add_pieces()->set_weight(1);
    const uint64_t elements = *service_.host()->Elements(header->key());
    frame.set_gradients(std::string(elements * sizeof(float), '\0'));
    return frame;
  }

 private:
  ParameterService service_;
  std::unique_ptr<grpc::Server> server_;
  std::string address_;
};

// A job with one partition, of one parameter.
v1::JobDirective WholeParameter(uint64_t elements) {
  v1::JobDirective job = BareJob("job-1");
  v1::LarsSpec* const lars = job.mutable_spec()->mutable_optimizer()->mutable_lars();
  lars->set_learning_rate(1);
  lars->set_momentum(0.5f);
  lars->set_trust_coefficient(0.001f);
  lars->set_epsilon(1e-8f);
  job.mutable_segment()->mutable_consistency()->mutable_async();
  job.mutable_spec()->mutable_model()->mutable_parameters()->RemoveLast();
  job.mutable_spec()->mutable_model()->mutable_parameters(0)->set_shape(0, elements);
  job.mutable_placement()->RemoveLast();
  return job;
}

TEST_CASE("what one message cannot bring is refused before anything is done, with its size") {
  // 63 MiB of parameters, and one more.
  constexpr uint64_t kMost = (uint64_t{63} << 20) / sizeof(float);
  for (const uint64_t elements : {kMost, kMost + 1}) {
    ServedPartitions served(WholeParameter(elements));
    const auto stub = served.Connect();
    const auto deadline = absl::ToChronoTime(absl::Now() + absl::Seconds(60));
    v1::ParametersFrame reply;

    grpc::ClientContext exchanging;
    exchanging.set_deadline(deadline);
    const grpc::Status exchanged = stub->Exchange(&exchanging, served.PushOf(0, 0), &reply);
    v1::PullRequest request = ServedPartitions::PullOf(0, 0);
    request.clear_exact_version();
    grpc::ClientContext pulling;
    pulling.set_deadline(deadline);
    const grpc::Status pulled = stub->Pull(&pulling, request, &reply);

    if (elements == kMost) {
      INFO(exchanged.error_message() << pulled.error_message());
      CHECK(exchanged.ok());
      CHECK(pulled.ok());
      CHECK(reply.header().version() == 1);
      CHECK(reply.parameters().size() == kMost * sizeof(float));
      continue;
    }
    for (const grpc::Status& refused : {exchanged, pulled}) {
      CHECK(refused.error_code() == grpc::StatusCode::INVALID_ARGUMENT);
      CHECK(refused.error_message() ==
            "partition 0 of job-1 has 16515073 float32, 66060292 bytes; a call of one message "
            "brings at most 66060288: make it over CallStream");
    }
    // A push brings nothing back, and nothing was applied before it.
    grpc::ClientContext pushing;
    pushing.set_deadline(deadline);
    REQUIRE(stub->Push(&pushing, served.PushOf(0, 0), &reply).ok());
    CHECK(reply.header().version() == 1);
  }
}

// Some callers give up before they are answered, some after, some just then.
void ReadAndGiveUp(v1::ParameterService::Stub* stub, uint64_t calls) {
  for (uint64_t i = 0; i < calls; ++i) {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Microseconds(200 * (i % 16))));
    v1::ParametersFrame reply;
    const uint64_t version = i % 3 == 0 ? 1000000 : i % 40;
    const uint32_t partition = static_cast<uint32_t>(i % 2);
    stub->Pull(&context, ServedPartitions::PullOf(partition, version), &reply);
  }
}

TEST_CASE("callers who give up in great numbers hold nobody up and leave nothing behind") {
  constexpr uint64_t kPushes = 40;
  ServedPartitions served;
  std::vector<std::thread> readers;
  for (int i = 0; i < 6; ++i) {
    readers.emplace_back([stub = served.Connect()] { ReadAndGiveUp(stub.get(), 400); });
  }
  const auto writer = served.Connect();
  uint64_t version = 0;
  for (uint64_t clock = 0; clock < kPushes; ++clock) {
    for (const uint32_t partition : {0, 1}) {
      grpc::ClientContext context;
      context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(60)));
      v1::ParametersFrame reply;
      const grpc::Status status = writer->Push(&context, served.PushOf(partition, clock), &reply);
      INFO(status.error_message());
      CHECK(status.ok());
      version = reply.header().version();
    }
  }
  CHECK(version == kPushes);
  for (std::thread& reader : readers) reader.join();
  served.Shutdown();
  CHECK(served.Waits() == 0);
}

}  // namespace
}  // namespace paceline
