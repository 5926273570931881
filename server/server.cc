#include "server/server.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/synchronization/mutex.h"
#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/status_macros.h"
#include "common/base/version.h"
#include "common/net/endpoint.h"
#include "common/net/transport.h"
#include "server/coordinator/coordinator.h"
#include "server/listen_address.h"
#include "server/service/control_service.h"
#include "server/service/parameter_service.h"
#include "server/store/embedded.h"
#include "server/store/memory.h"
#include "server/sync_loop.h"

namespace paceline {
namespace {

LogLevel LevelOf(const v1::Event& event) {
  for (const char* grave : {"expired", "failed", "refused", "invalid", "replaced"}) {
    if (absl::EndsWith(event.kind(), grave)) return LogLevel::kWarning;
  }
  return event.kind() == "job-evaluated" ? LogLevel::kDebug : LogLevel::kInfo;
}

// Calls still open when everything parked has been answered: replies on their way.
constexpr absl::Duration kDrain = absl::Seconds(2);

absl::Status CheckOptions(const ServerOptions& options) {
  PACELINE_CHECK(options.logger != nullptr);
  if (!options.coordinator && !options.parameters) {
    return absl::InvalidArgumentError("no role; wanted coordinator, parameters or both");
  }
  if (options.coordinator && !options.join.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("join ", options.join,
                     ": this server is a coordinator itself; give it --roles parameters to join "
                     "another"));
  }
  if (!options.coordinator && options.join.empty()) {
    return absl::InvalidArgumentError(
        "a server without the coordinator role needs --join host:port of one");
  }
  if (options.sync_interval < absl::Milliseconds(1) || options.lease <= options.sync_interval) {
    return absl::InvalidArgumentError(
        absl::StrCat("lease of ", absl::FormatDuration(options.lease), " and sync interval of ",
                     absl::FormatDuration(options.sync_interval),
                     "; wanted an interval of at least 1ms and a lease longer than it"));
  }
  if (!options.join.empty()) RETURN_IF_ERROR(ParseEndpoint(options.join).status());
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Store>> OpenStore(absl::string_view store) {
  if (store == "memory") return std::make_unique<MemoryStore>();
  absl::string_view path = store;
  if (!absl::ConsumePrefix(&path, "sqlite:") || path.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("store \"", store, "\"; wanted sqlite:PATH or memory"));
  }
  ASSIGN_OR_RETURN(std::unique_ptr<Store> opened, EmbeddedStore::Open(std::string(path)));
  return opened;
}

}  // namespace

class Server::Impl {
 public:
  explicit Impl(ServerOptions options) : options_(std::move(options)) {}

  ~Impl() { Stop(); }

  absl::Status Start();
  void Stop() ABSL_LOCKS_EXCLUDED(stop_mutex_);

  const std::string& address() const { return address_; }

 private:
  absl::Status MakeControl();
  void MakeParameters();
  // Builds the gRPC server; listen's port becomes the bound one.
  absl::Status Listen(Endpoint* listen);

  // All constant after Start.
  ServerOptions options_;
  std::string address_;

  std::unique_ptr<Store> store_;
  std::unique_ptr<ControlService> control_;
  // The service's host calls the loop, the loop reads the host: both end before either goes.
  std::unique_ptr<ParameterService> parameters_;
  std::unique_ptr<SyncLoop> sync_;
  std::unique_ptr<grpc::Server> server_;

  absl::Mutex stop_mutex_;  // Held while stopping, so that a second Stop returns when it is done.
  bool stopped_ ABSL_GUARDED_BY(stop_mutex_) = false;
};

absl::Status Server::Impl::MakeControl() {
  ASSIGN_OR_RETURN(store_, OpenStore(options_.store));
  CoordinatorOptions options;
  options.release = kRelease;
  options.lease = options_.lease;
  options.sync_interval = options_.sync_interval;
  // Under the coordinator's lock, so that the log has them in order; events are few.
  options.on_event = [logger = options_.logger](const v1::Event& event) {
    logger->Log(LevelOf(event), event.message(),
                {{"event", event.kind()}, {"job", event.job()}, {"subject", event.subject()}});
  };
  ASSIGN_OR_RETURN(auto coordinator,
                   Coordinator::Create(std::move(options), store_.get(), SteadyNow()));
  control_ = std::make_unique<ControlService>(std::move(coordinator));
  return absl::OkStatus();
}

void Server::Impl::MakeParameters() {
  PartitionHost::Options options;
  options.complain = [this](absl::string_view complaint) {
    options_.logger->Log(LogLevel::kError, "cannot follow a directive", {{"reason", complaint}});
  };
  // No partition exists, so nothing is news, before the loop does.
  parameters_ = std::make_unique<ParameterService>(std::move(options), [this] { sync_->Hurry(); });
}

absl::Status Server::Impl::Listen(Endpoint* listen) {
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  SetUpServer(&builder);
  int port = 0;
  builder.AddListeningPort(listen->ToString(), grpc::InsecureServerCredentials(), &port);
  if (control_ != nullptr) builder.RegisterService(control_->service());
  if (parameters_ != nullptr) builder.RegisterService(parameters_->service());
  server_ = builder.BuildAndStart();
  if (server_ == nullptr || port == 0) {
    return absl::UnavailableError(absl::StrCat("cannot listen at ", listen->ToString()));
  }
  listen->port = static_cast<uint16_t>(port);
  return absl::OkStatus();
}

absl::Status Server::Impl::Start() {
  RETURN_IF_ERROR(CheckOptions(options_));
  ASSIGN_OR_RETURN(Endpoint listen, ParseListenEndpoint(options_.listen));
  RETURN_IF_ERROR(CheckExposure(listen, options_.insecure));
  RETURN_IF_ERROR(AdvertisedAddress(listen, options_.advertise).status());
  RETURN_IF_ERROR(CheckFree(listen));
  if (options_.coordinator) RETURN_IF_ERROR(MakeControl());
  if (options_.parameters) MakeParameters();
  RETURN_IF_ERROR(Listen(&listen));
  address_ = listen.ToString();
  ASSIGN_OR_RETURN(const std::string advertised, AdvertisedAddress(listen, options_.advertise));

  if (options_.parameters) {
    SyncLoopOptions sync;
    sync.coordinator = options_.coordinator ? address_ : options_.join;
    sync.id = options_.id.empty() ? DefaultServerId(listen) : options_.id;
    sync.logger = options_.logger;
    sync_ = std::make_unique<SyncLoop>(std::move(sync), parameters_->host());
    sync_->Start(advertised);
  }
  options_.logger->Log(LogLevel::kInfo, "serving",
                       {{"address", address_},
                        {"advertised", advertised},
                        {"coordinator", options_.coordinator},
                        {"parameters", options_.parameters},
                        {"release", kRelease}});
  return absl::OkStatus();
}

void Server::Impl::Stop() {
  absl::MutexLock lock(&stop_mutex_);
  if (stopped_) return;
  stopped_ = true;
  if (sync_ != nullptr) sync_->Stop();
  if (parameters_ != nullptr) parameters_->Stop();
  if (control_ != nullptr) control_->Stop();
  if (server_ != nullptr) server_->Shutdown(absl::ToChronoTime(absl::Now() + kDrain));
}

absl::StatusOr<std::unique_ptr<Server>> Server::Start(ServerOptions options) {
  auto impl = std::make_unique<Impl>(std::move(options));
  RETURN_IF_ERROR(impl->Start());
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Server::~Server() = default;

const std::string& Server::address() const { return impl_->address(); }

void Server::Stop() { impl_->Stop(); }

}  // namespace paceline
