#include "server/server.h"

#include <arpa/inet.h>
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/security/credentials.h>
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_split.h"
#include "absl/synchronization/notification.h"
#include "common/base/version.h"
#include "common/net/coordinator_choice.h"
#include "common/net/transport.h"
#include "proto/control.grpc.pb.h"
#include "proto/parameter.grpc.pb.h"
#include "proto/replica.grpc.pb.h"
#include "server/test_client.h"

namespace paceline {
namespace {

using grpc::StatusCode;

std::unique_ptr<Logger> Quiet() {
  LogOptions options;
  options.program = "test";
  options.file = "/dev/null";
  options.level = LogLevel::kDebug;
  auto logger = Logger::Create(options);
  REQUIRE(logger.ok());
  return *std::move(logger);
}

ServerOptions Options(Logger* logger) {
  ServerOptions options;
  options.listen = "127.0.0.1:0";
  options.store = "memory";
  options.sync_interval = absl::Milliseconds(20);
  options.lease = absl::Seconds(10);
  options.logger = logger;
  return options;
}

std::unique_ptr<Server> MustStart(ServerOptions options) {
  auto server = Server::Start(std::move(options));
  INFO(server.status().ToString());
  REQUIRE(server.ok());
  return *std::move(server);
}

// A job with one parameter of `elements` zeros that plain sgd moves by exactly the gradient.
v1::JobSpec BareJob(const std::string& name, uint64_t elements) {
  v1::JobSpec spec;
  spec.set_name(name);
  v1::ParameterSpec* parameter = spec.mutable_model()->add_parameters();
  parameter->set_name("w");
  parameter->add_shape(elements);
  spec.mutable_optimizer()->mutable_sgd()->set_learning_rate(1);
  spec.mutable_consistency()->mutable_async();
  return spec;
}

// A call of any method with any bytes.
grpc::Status RawCall(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
                     const std::string& bytes, std::string* answer = nullptr) {
  grpc::GenericStub stub(channel);
  grpc::ClientContext context;
  SetDeadline(&context);
  const grpc::Slice slice(bytes);
  const grpc::ByteBuffer request(&slice, 1);
  grpc::ByteBuffer response;
  grpc::Status result;
  absl::Notification done;
  stub.UnaryCall(&context, method, grpc::StubOptions(), &request, &response,
                 [&](grpc::Status status) {
                   result = std::move(status);
                   done.Notify();
                 });
  done.WaitForNotification();
  std::vector<grpc::Slice> slices;
  if (answer != nullptr && response.Valid() && response.Dump(&slices).ok()) {
    for (const grpc::Slice& part : slices) {
      answer->append(reinterpret_cast<const char*>(part.begin()), part.size());
    }
  }
  return result;
}

TEST_CASE("pushes, pulls and exchanges move a job's parameters by exactly their gradients") {
  const auto logger = Quiet();
  const auto server = MustStart(Options(logger.get()));
  TestClient client(server->address(), "c1");
  client.Run(BareJob("bare", 3));
  Floats values;
  REQUIRE(client.Pull(&values).ok());
  CHECK(values == Floats{0, 0, 0});

  v1::ParametersHeader header;
  REQUIRE(client.Push(client.Frame(1, {1, -2, 0.5}), &header).ok());
  CHECK(header.version() == 1);
  CHECK_FALSE(header.duplicate());
  REQUIRE(client.Exchange(client.Frame(2, {0.25, 0, 0}), &values).ok());

  CHECK(values == Floats{-1.25, 2, -0.5});
  REQUIRE(client.Pull(&values).ok());
  CHECK(values == Floats{-1.25, 2, -0.5});
  CHECK(client.version() == 2);
}

TEST_CASE("a push that is sent twice counts once, and says so") {
  const auto logger = Quiet();
  const auto server = MustStart(Options(logger.get()));
  TestClient client(server->address(), "c1");
  client.Run(BareJob("bare", 2));
  v1::ParametersHeader header;

  REQUIRE(client.Push(client.Frame(1, {1, 1}), &header).ok());
  REQUIRE(client.Push(client.Frame(1, {1, 1}), &header).ok());

  CHECK(header.duplicate());
  Floats values;
  REQUIRE(client.Pull(&values).ok());
  CHECK(values == Floats{-1, -1});
}

TEST_CASE("a large parameter arrives whole") {
  const auto logger = Quiet();
  const auto server = MustStart(Options(logger.get()));
  TestClient client(server->address(), "c1");
  const size_t elements = 1000 * 1000;
  client.Run(BareJob("bare", elements));
  Floats gradient(elements);
  for (size_t i = 0; i < elements; ++i) gradient[i] = static_cast<float>(i % 1024) / 64;

  Floats values;
  REQUIRE(client.Exchange(client.Frame(1, gradient), &values).ok());

  REQUIRE(values.size() == elements);
  for (float& value : values) value = -value;
  CHECK((values == gradient));
}

TEST_CASE("frames that are wrong hurt their sender and change nothing") {
  const auto logger = Quiet();
  const auto server = MustStart(Options(logger.get()));
  TestClient client(server->address(), "c1");
  client.Run(BareJob("bare", 2));
  v1::ParametersHeader header;

  const grpc::Status shorter = client.Push(client.Frame(1, {1}), &header);
  CHECK(shorter.error_code() == StatusCode::INVALID_ARGUMENT);
  CHECK(shorter.error_message().find("4 bytes of numbers; wanted 8") != std::string::npos);
  CHECK(client.Push(client.Frame(1, {1, 2, 3}), &header).error_code() ==
        StatusCode::INVALID_ARGUMENT);
  v1::PushFrame no_piece = client.Frame(1, {});
  no_piece.mutable_header()->clear_pieces();
  CHECK(client.Push(no_piece, &header).error_code() == StatusCode::INVALID_ARGUMENT);

  const std::string service = "/paceline.v1.ParameterService/";
  for (const std::string method : {"Push", "Exchange", "Pull", "Settle"}) {
    const grpc::Status status = RawCall(client.channel(), service + method, "\xff\xff junk");
    CHECK(status.error_code() == StatusCode::INVALID_ARGUMENT);
    CHECK_FALSE(status.error_message().empty());
  }
  CHECK_FALSE(RawCall(client.channel(), service + "Push", "").ok());
  CHECK_FALSE(RawCall(client.channel(), service + "Pull", "").ok());

  Floats values;
  REQUIRE(client.Pull(&values).ok());
  CHECK(values == Floats{0, 0});
  CHECK(client.version() == 0);
}

TEST_CASE("replication frames that are wrong, or for a copy that is not here, are refused") {
  const auto logger = Quiet();
  const auto server = MustStart(Options(logger.get()));
  const auto channel = MakeChannel(server->address());
  const auto stub = v1::ReplicaService::NewStub(channel);
  v1::AppendFrame append;
  append.mutable_header()->mutable_key()->set_job("nobody-1");
  append.mutable_header()->mutable_key()->set_replica(7);
  v1::InstallFrame install;
  *install.mutable_header()->mutable_key() = append.header().key();
  v1::ReplicaReply reply;

  for (const std::string method : {"Append", "Install"}) {
    const grpc::Status status =
        RawCall(channel, "/paceline.v1.ReplicaService/" + method, "\xff\xff junk");
    CHECK(status.error_code() == StatusCode::INVALID_ARGUMENT);
  }
  grpc::ClientContext appending;
  SetDeadline(&appending);
  const grpc::Status appended = stub->Append(&appending, append, &reply);
  CHECK(appended.error_code() == StatusCode::FAILED_PRECONDITION);
  CHECK(appended.error_message().find("nobody-1") != std::string::npos);
  grpc::ClientContext installing;
  SetDeadline(&installing);
  CHECK(stub->Install(&installing, install, &reply).error_code() ==
        StatusCode::FAILED_PRECONDITION);
}

TEST_CASE("bytes that are not even HTTP/2 hurt nobody") {
  const auto logger = Quiet();
  const auto server = MustStart(Options(logger.get()));
  TestClient client(server->address(), "c1");
  client.Run(BareJob("bare", 2));
  const std::vector<std::string> parts = absl::StrSplit(server->address(), ':');
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(std::stoi(parts[1])));

  for (const std::string preface :
       {"", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET / HTTP/1.1\r\n\r\n"}) {
    const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
    REQUIRE(::connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
    std::string junk = preface;
    for (int i = 0; i < 4096; ++i) junk.push_back(static_cast<char>(i * 131 >> 3));
    CHECK(::send(socket, junk.data(), junk.size(), MSG_NOSIGNAL) > 0);
    ::close(socket);
  }

  Floats values;
  CHECK(client.Pull(&values).ok());
}

TEST_CASE("a message above the limit is refused, and its sender may go on") {
  const auto logger = Quiet();
  const auto server = MustStart(Options(logger.get()));
  TestClient client(server->address(), "c1");
  client.Run(BareJob("bare", 2));
  grpc::ChannelArguments arguments;
  arguments.SetMaxSendMessageSize(-1);
  const auto channel =
      grpc::CreateCustomChannel(server->address(), grpc::InsecureChannelCredentials(), arguments);

  const grpc::Status status = RawCall(channel, "/paceline.v1.ParameterService/Push",
                                      std::string(kMessageBytesMax + 1, 'x'));

  CHECK(status.error_code() == StatusCode::RESOURCE_EXHAUSTED);
  v1::ParametersHeader header;
  CHECK(client.Push(client.Frame(1, {1, 1}), &header).ok());
}

TEST_CASE("two jobs do not see each other, and a job nobody knows is refused") {
  const auto logger = Quiet();
  const auto server = MustStart(Options(logger.get()));
  TestClient one(server->address(), "c1");
  TestClient two(server->address(), "c2");
  one.Run(BareJob("one", 2));
  two.Run(BareJob("two", 2));
  REQUIRE(one.job() != two.job());
  v1::ParametersHeader header;
  REQUIRE(one.Push(one.Frame(1, {1, 2}), &header).ok());

  Floats values;
  REQUIRE(two.Pull(&values).ok());
  CHECK(values == Floats{0, 0});
  two.key()->set_job("three-9");
  CHECK(two.Push(two.Frame(1, {1, 2}), &header).error_code() == StatusCode::FAILED_PRECONDITION);
  CHECK(two.Pull(&values).error_code() == StatusCode::FAILED_PRECONDITION);
}

TEST_CASE("a call that waits ends with its deadline, and the server goes on") {
  const auto logger = Quiet();
  const auto server = MustStart(Options(logger.get()));
  TestClient client(server->address(), "c1");
  client.Run(BareJob("bare", 2));

  Floats values;
  const grpc::Status status = client.Pull(&values, absl::Milliseconds(100), /*exact_version=*/1);

  CHECK(status.error_code() == StatusCode::DEADLINE_EXCEEDED);
  CHECK(client.Pull(&values).ok());
}

TEST_CASE("a call that waits is answered by the push it waits for") {
  const auto logger = Quiet();
  const auto server = MustStart(Options(logger.get()));
  TestClient client(server->address(), "c1");
  client.Run(BareJob("bare", 2));
  TestClient reader(server->address(), "c2");
  reader.Join(client.job());

  Floats values;
  grpc::Status status;
  std::thread waiting([&] { status = reader.Pull(&values, absl::Seconds(20), 1); });
  v1::ParametersHeader header;
  const grpc::Status pushed = client.Push(client.Frame(1, {1, 2}), &header);
  waiting.join();

  CHECK(pushed.ok());
  CHECK(status.ok());
  CHECK(values == Floats{-1, -2});
}

TEST_CASE("a server that stops answers what waits with UNAVAILABLE, which is safe to retry") {
  const auto logger = Quiet();
  const auto server = MustStart(Options(logger.get()));
  TestClient client(server->address(), "c1");
  client.Run(BareJob("bare", 2));
  TestClient reader(server->address(), "c2");
  reader.Join(client.job());

  Floats values;
  grpc::Status status;
  std::thread waiting([&] { status = reader.Pull(&values, absl::Seconds(20), 1); });
  const absl::Time give_up = absl::Now() + absl::Seconds(20);
  while (client.Waits() == 0 && absl::Now() < give_up) {
  }
  server->Stop();
  waiting.join();

  CHECK(status.error_code() == StatusCode::UNAVAILABLE);
}

TEST_CASE("health is served") {
  const auto logger = Quiet();
  const auto server = MustStart(Options(logger.get()));
  std::string answer;

  const grpc::Status status =
      RawCall(MakeChannel(server->address()), "/grpc.health.v1.Health/Check", "", &answer);

  CHECK(status.ok());
  CHECK(answer == "\x08\x01");  // HealthCheckResponse{status: SERVING}.
}

TEST_CASE("reflection names the services") {
  const auto logger = Quiet();
  const auto server = MustStart(Options(logger.get()));
  std::string answer;

  // ServerReflectionRequest{list_services: "*"}; one message each way on a stream.
  const grpc::Status status = RawCall(
      MakeChannel(server->address()),
      "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", "\x3a\x01*", &answer);

  CHECK(status.ok());
  CHECK(answer.find("paceline.v1.ParameterService") != std::string::npos);
  CHECK(answer.find("paceline.v1.ControlService") != std::string::npos);
  CHECK(answer.find("paceline.v1.ReplicaService") != std::string::npos);
}

TEST_CASE("a second server joins the first, and leaves it again") {
  const auto logger = Quiet();
  ServerOptions options = Options(logger.get());
  options.id = "first";
  const auto first = MustStart(options);
  TestClient client(first->address(), "c1");
  options.coordinator = false;
  options.join = first->address();
  options.id = "second";
  auto second = MustStart(options);
  const auto ids = [&client] {
    std::vector<std::string> found;
    const v1::FleetStatus fleet = client.Fleet();
    for (const auto& server : fleet.servers()) found.push_back(server.server().id());
    return found;
  };
  const absl::Time give_up = absl::Now() + absl::Seconds(20);
  while (ids().size() < 2) REQUIRE(absl::Now() < give_up);

  second->Stop();

  CHECK(ids() == std::vector<std::string>{"first"});
}

TEST_CASE("parameters outlive a coordinator that restarts") {
  const auto logger = Quiet();
  std::string folder = std::filesystem::temp_directory_path() / "paceline-server-XXXXXX";
  REQUIRE(mkdtemp(folder.data()) != nullptr);
  ServerOptions control = Options(logger.get());
  control.parameters = false;
  control.store = "sqlite:" + folder + "/fleet.db";
  auto coordinator = MustStart(control);
  control.listen = coordinator->address();
  ServerOptions holder = Options(logger.get());
  holder.coordinator = false;
  holder.join = coordinator->address();
  const auto parameters = MustStart(holder);
  TestClient client(coordinator->address(), "c1");
  client.Run(BareJob("bare", 2));
  v1::ParametersHeader header;
  REQUIRE(client.Push(client.Frame(1, {1, 2}), &header).ok());
  const uint64_t incarnation = client.Fleet().servers(0).server().incarnation();

  coordinator.reset();
  CHECK(client.Push(client.Frame(2, {1, 2}), &header).ok());
  coordinator = MustStart(control);

  TestClient observer(coordinator->address(), "c2");
  observer.Join(client.job());
  Floats values;
  REQUIRE(observer.Pull(&values).ok());
  CHECK(values == Floats{-2, -4});
  CHECK(client.Fleet().servers(0).server().incarnation() == incarnation);
  std::filesystem::remove_all(folder);
}

TEST_CASE("a server whose incarnation is refused registers anew") {
  const auto logger = Quiet();
  ServerOptions control = Options(logger.get());
  control.parameters = false;
  auto coordinator = MustStart(control);
  control.listen = coordinator->address();
  ServerOptions holder = Options(logger.get());
  holder.coordinator = false;
  holder.join = coordinator->address();
  const auto parameters = MustStart(holder);
  TestClient client(coordinator->address(), "c1");
  const absl::Time give_up = absl::Now() + absl::Seconds(20);
  while (client.Fleet().servers_size() == 0) REQUIRE(absl::Now() < give_up);

  // Its store was in memory: the next one knows nobody.
  coordinator.reset();
  coordinator = MustStart(control);

  while (client.Fleet().servers_size() == 0) REQUIRE(absl::Now() < give_up);
}

TEST_CASE("a port that is in use is refused by its number") {
  const auto logger = Quiet();
  const auto server = MustStart(Options(logger.get()));
  ServerOptions options = Options(logger.get());
  options.listen = server->address();

  const absl::Status status = Server::Start(options).status();

  CHECK(absl::IsAlreadyExists(status));
  const std::vector<std::string> parts = absl::StrSplit(server->address(), ':');
  CHECK(std::string(status.message()).find("port " + parts[1]) != std::string::npos);
}

TEST_CASE("a server that has not been elected refuses calls and says whom to ask") {
  const auto logger = Quiet();
  ServerOptions options = Options(logger.get());
  options.store = "etcd://127.0.0.1:1";  // Nobody is there, so nobody is elected.
  for (const bool is_candidate : {true, false}) {
    options.coordinator = is_candidate;
    const auto server = MustStart(options);
    const auto stub = v1::ControlService::NewStub(MakeChannel(server->address()));

    v1::FleetStatus fleet;
    grpc::ClientContext context;
    SetDeadline(&context);
    const grpc::Status status = stub->DescribeFleet(&context, {}, &fleet);

    CHECK(status.error_code() == StatusCode::UNAVAILABLE);
    CHECK(status.error_message().find("none is known") != std::string::npos);
    CHECK(context.GetServerTrailingMetadata().count(kCoordinatorKey) == 1);
  }
}

// The fleet's next event after `after`; none within `patience`: sequence 0.
v1::Event NextEvent(const std::shared_ptr<grpc::Channel>& channel, uint64_t after,
                    absl::Duration patience) {
  v1::ListEventsRequest request;
  request.set_after(after);
  request.set_wait_ms(static_cast<uint32_t>(absl::ToInt64Milliseconds(patience)));
  v1::ListEventsReply reply;
  grpc::ClientContext context;
  SetDeadline(&context, patience + absl::Seconds(10));
  REQUIRE(v1::ControlService::NewStub(channel)->ListEvents(&context, request, &reply).ok());
  return reply.events_size() == 0 ? v1::Event() : reply.events(0);
}

TEST_CASE("a coordinator that hears only its own server, whatever its name, gives nobody up") {
  const auto logger = Quiet();
  ServerOptions options = Options(logger.get());
  options.lease = absl::Milliseconds(500);
  for (const std::string id : {"", "s1"}) {
    options.id = id;
    const auto server = MustStart(options);
    TestClient one(server->address(), "c1");
    TestClient two(server->address(), "c2");
    one.Run(BareJob("bare", 2));
    two.Join(one.job());
    one.Sync();
    two.Sync();
    uint64_t newest = 0;
    while (const uint64_t next = NextEvent(one.channel(), newest, {}).sequence()) newest = next;

    // Both are silent now, and their connections stand.
    CHECK(NextEvent(one.channel(), newest, 3 * options.lease).message() == "");
  }
}

TEST_CASE("a coordinator names itself") {
  const auto logger = Quiet();
  const auto server = MustStart(Options(logger.get()));
  TestClient client(server->address(), "c1");
  CHECK(client.Fleet().coordinator() == server->address());
}

TEST_CASE("options that make no sense are refused") {
  const auto logger = Quiet();
  const auto refusal = [&logger](void (*change)(ServerOptions*)) {
    ServerOptions options = Options(logger.get());
    change(&options);
    return Server::Start(options).status().code();
  };
  using Code = absl::StatusCode;
  CHECK(refusal([](ServerOptions* o) { o->listen = "nowhere"; }) == Code::kInvalidArgument);
  CHECK(refusal([](ServerOptions* o) { o->advertise = "node7"; }) == Code::kInvalidArgument);
  CHECK(refusal([](ServerOptions* o) { o->store = "floppy:a"; }) == Code::kInvalidArgument);
  CHECK(refusal([](ServerOptions* o) { o->join = "h:1"; }) == Code::kInvalidArgument);
  CHECK(refusal([](ServerOptions* o) { o->coordinator = false; }) == Code::kInvalidArgument);
  CHECK(refusal([](ServerOptions* o) { o->store = "etcd://"; }) == Code::kInvalidArgument);
  CHECK(refusal([](ServerOptions* o) { o->store = "etcds://h:1"; }) == Code::kInvalidArgument);
  CHECK(refusal([](ServerOptions* o) {
          o->store = "etcd://h:1";
          o->coordinator = false;
          o->join = "h:1";
        }) == Code::kInvalidArgument);
  CHECK(refusal([](ServerOptions* o) { o->lease = o->sync_interval; }) == Code::kInvalidArgument);
  CHECK(refusal([](ServerOptions* o) { o->listen = "0.0.0.0:0"; }) == Code::kFailedPrecondition);
}

}  // namespace
}  // namespace paceline
