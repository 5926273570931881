#include "server/server.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/optional.h"
#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/status_macros.h"
#include "common/base/version.h"
#include "common/net/coordinator_choice.h"
#include "common/net/endpoint.h"
#include "common/net/http_page.h"
#include "common/net/metrics_page.h"
#include "common/net/transport.h"
#include "common/telemetry/metric_set.h"
#include "common/telemetry/process_metrics.h"
#include "server/checkpoint/posix_file_system.h"
#include "server/checkpoint_writer.h"
#include "server/coordinator/coordinator.h"
#include "server/election/etcd_election.h"
#include "server/election/sole_election.h"
#include "server/host_timer.h"
#include "server/listen_address.h"
#include "server/metrics/server_metrics.h"
#include "server/service/control_service.h"
#include "server/service/parameter_service.h"
#include "server/service/replica_service.h"
#include "server/service/replica_transport.h"
#include "server/service/stream_service.h"
#include "server/store/embedded.h"
#include "server/store/etcd/address.h"
#include "server/store/etcd_store.h"
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
  const bool elects = NamesEtcd(options.store);
  // Before its words are in any other message.
  if (elects) RETURN_IF_ERROR(ParseEtcdAddress(options.store).status());
  if (elects && !options.join.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("join ", options.join, ": ", options.store,
                                                   " says who coordinates; leave --join out"));
  }
  if (options.coordinator && !options.join.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("join ", options.join,
                     ": this server is a coordinator itself; give it --roles parameters to join "
                     "another"));
  }
  if (!options.coordinator && !elects && options.join.empty()) {
    return absl::InvalidArgumentError(
        "a server without the coordinator role needs --join host:port of one");
  }
  if (options.sync_interval < absl::Milliseconds(1) || options.lease <= options.sync_interval) {
    return absl::InvalidArgumentError(
        absl::StrCat("lease of ", absl::FormatDuration(options.lease), " and sync interval of ",
                     absl::FormatDuration(options.sync_interval),
                     "; wanted an interval of at least 1ms and a lease longer than it"));
  }
  if (!options.join.empty()) RETURN_IF_ERROR(ParseCoordinators(options.join).status());
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Store>> OpenStore(absl::string_view store) {
  if (store == "memory") return std::make_unique<MemoryStore>();
  absl::string_view path = store;
  if (!absl::ConsumePrefix(&path, "sqlite:") || path.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("store \"", store, "\"; wanted sqlite:PATH, memory or etcd://HOST:PORT"));
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
  std::string metrics_url() const { return metrics_ == nullptr ? "" : metrics_->url(); }

 private:
  bool elects() const { return etcd_.has_value(); }
  void MakeControl();
  void MakeParameters();
  // Who coordinates: the fleet's choice, or this server.
  absl::Status Elect(const std::string& advertised);
  absl::Status Elected(uint64_t fence);
  void Lost(absl::string_view why);
  absl::StatusOr<std::unique_ptr<Store>> Open(uint64_t fence);
  // The page for Prometheus.
  std::string Metrics();
  // Builds the gRPC server; listen's port becomes the bound one.
  absl::Status Listen(Endpoint* listen);

  // All constant after Start.
  ServerOptions options_;
  absl::optional<EtcdAddress> etcd_;  // Of the store, if it is there.
  std::string address_;
  std::string id_;

  // Who has it calls back into what follows, until Stop.
  std::unique_ptr<Election> election_;
  // Of the election's callbacks: while this server coordinates.
  std::unique_ptr<Store> store_;
  std::unique_ptr<ControlService> control_;
  absl::Mutex locate_mutex_;
  // Null until there is an election.
  const CoordinatorLocator* locator_ ABSL_GUARDED_BY(locate_mutex_) = nullptr;
  std::string advertised_ ABSL_GUARDED_BY(locate_mutex_);
  // The service's host calls the loop and the transport, and all that follow it here call the host:
  // Stop ends every one of them before any goes.
  std::unique_ptr<ParameterService> parameters_;
  std::unique_ptr<ReplicaService> replicas_;
  std::unique_ptr<StreamService> streams_;
  std::unique_ptr<ReplicaTransport> replica_calls_;
  PosixFileSystem files_;
  std::unique_ptr<CheckpointWriter> checkpoints_;
  std::unique_ptr<HostTimer> timer_;
  std::unique_ptr<SyncLoop> sync_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<HttpPage> metrics_;  // Null: not asked for. Asks all of the above, until Stop.

  absl::Mutex stop_mutex_;  // Held while stopping, so that a second Stop returns when it is done.
  bool stopped_ ABSL_GUARDED_BY(stop_mutex_) = false;
};

// Calls come as soon as it is listened, before there is an election.
void Server::Impl::MakeControl() {
  ControlService::Options options;
  options.coordinator = [this] {
    absl::MutexLock lock(&locate_mutex_);
    return locator_ == nullptr ? std::string() : locator_->coordinator();
  };
  options.address = [this] {
    absl::MutexLock lock(&locate_mutex_);
    return advertised_;
  };
  control_ = std::make_unique<ControlService>(std::move(options));
}

absl::Status Server::Impl::Elect(const std::string& advertised) {
  if (elects()) {
    ElectionOptions options;
    options.address = advertised;
    options.is_candidate = options_.coordinator;
    election_ = std::make_unique<EtcdElection>(*etcd_, std::move(options));
  } else {
    election_ = std::make_unique<SoleElection>(advertised);
  }
  {
    absl::MutexLock lock(&locate_mutex_);
    locator_ = election_.get();
    advertised_ = advertised;
  }
  absl::Status sole;
  ElectionCallbacks callbacks;
  if (elects()) {
    callbacks.elected = [this](uint64_t fence) {
      const absl::Status status = Elected(fence);
      if (!status.ok()) election_->Resign(status.message());
    };
  } else {
    callbacks.elected = [this, &sole](uint64_t fence) { sole = Elected(fence); };  // In Start.
  }
  callbacks.lost = [this](absl::string_view why) { Lost(why); };
  callbacks.moved = [this](absl::string_view address) {
    options_.logger->Log(LogLevel::kInfo, "the coordinator is", {{"address", address}});
    if (sync_ != nullptr) sync_->Redirect();
  };
  election_->Start(std::move(callbacks));
  return sole;
}

absl::StatusOr<std::unique_ptr<Store>> Server::Impl::Open(uint64_t fence) {
  if (!elects()) return OpenStore(options_.store);
  const auto on_deposed = [this](absl::string_view why, bool by_another) {
    if (by_another) {
      election_->Resign(why);
    } else {
      election_->BeginAnew(why);
    }
  };
  ASSIGN_OR_RETURN(std::unique_ptr<Store> opened, EtcdStore::Open(*etcd_, fence, on_deposed));
  return opened;
}

absl::Status Server::Impl::Elected(uint64_t fence) {
  ASSIGN_OR_RETURN(store_, Open(fence));
  CoordinatorOptions options;
  options.release = kRelease;
  options.lease = options_.lease;
  options.sync_interval = options_.sync_interval;
  options.own_server = id_;
  // Under the coordinator's lock, so that the log has them in order; events are few.
  options.on_event = [logger = options_.logger](const v1::Event& event) {
    logger->Log(LevelOf(event), event.message(),
                {{"event", event.kind()}, {"job", event.job()}, {"subject", event.subject()}});
  };
  ASSIGN_OR_RETURN(auto coordinator,
                   Coordinator::Create(std::move(options), store_.get(), SteadyNow()));
  control_->Install(std::move(coordinator));
  options_.logger->Log(LogLevel::kInfo, "coordinating", {{"store", options_.store}});
  return absl::OkStatus();
}

void Server::Impl::Lost(absl::string_view why) {
  options_.logger->Log(LogLevel::kWarning, "no longer the coordinator", {{"reason", why}});
  control_->Remove().reset();
  store_.reset();
}

void Server::Impl::MakeParameters() {
  PartitionHost::Options options;
  options.complain = [this](absl::string_view complaint) {
    options_.logger->Log(LogLevel::kError, "cannot follow a directive", {{"reason", complaint}});
  };
  options.checkpoint = [this](CheckpointWork work) { checkpoints_->Write(std::move(work)); };
  options.restore = [this](const v1::RestoreOrigin& origin, const JobLayout& layout,
                           uint32_t partition) {
    return checkpoints_->Restore(origin, layout, partition);
  };
  // No partition exists, so nothing is news, before the loop does.
  const auto on_news = [this] { sync_->Hurry(); };
  parameters_ = std::make_unique<ParameterService>(
      std::move(options), on_news,
      [this](ReplicaCall call) { replica_calls_->Start(std::move(call)); });
  PartitionHost* const host = parameters_->host();
  replicas_ = std::make_unique<ReplicaService>(host, on_news);
  streams_ = std::make_unique<StreamService>(
      std::vector<StreamedMethods*>{parameters_->streamed(), replicas_->streamed()});
  replica_calls_ = std::make_unique<ReplicaTransport>(
      [host, on_news](uint64_t id, const absl::Status& status, const v1::ReplicaReply& reply) {
        host->OnReplicaDone(SteadyNow(), id, status, reply);
        if (host->TakeNews()) on_news();
      });
  CheckpointWriter::Options checkpoints;
  checkpoints.files = &files_;
  checkpoints.now = [] { return absl::Now(); };
  checkpoints.done = [host, on_news](const std::string& job, uint32_t partition,
                                     const v1::CheckpointReport& report) {
    host->OnCheckpointDone(SteadyNow(), job, partition, report);
    if (host->TakeNews()) on_news();
  };
  checkpoints.complain = [this](absl::string_view complaint) {
    options_.logger->Log(LogLevel::kWarning, "checkpoints", {{"reason", complaint}});
  };
  checkpoints_ = std::make_unique<CheckpointWriter>(std::move(checkpoints));
  timer_ = std::make_unique<HostTimer>(host, on_news);
}

std::string Server::Impl::Metrics() {
  ServerView view;
  view.id = id_;
  view.zone = options_.zone;
  view.release = kRelease;
  if (parameters_ != nullptr) view.partitions = parameters_->host()->Report(SteadyNow());
  FleetView fleet;
  if (control_ != nullptr && control_->Describe(&fleet.fleet, &fleet.jobs)) {
    view.fleet = std::move(fleet);
  }
  MetricSet set;
  AddServerMetrics(view, &set);
  AddProcessMetrics(ReadProcess(), &set);
  return set.Text();
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
  if (replicas_ != nullptr) builder.RegisterService(replicas_->service());
  if (streams_ != nullptr) builder.RegisterService(streams_->service());
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
  if (options_.metrics.has_value()) {
    ASSIGN_OR_RETURN(metrics_, CreateMetricsPage(*options_.metrics));
  }
  if (NamesEtcd(options_.store)) {
    ASSIGN_OR_RETURN(etcd_, ParseEtcdAddress(options_.store));
  }
  if (options_.coordinator || elects()) MakeControl();
  if (options_.parameters) MakeParameters();
  RETURN_IF_ERROR(Listen(&listen));
  address_ = listen.ToString();
  id_ = options_.id.empty() ? DefaultServerId(listen) : options_.id;
  ASSIGN_OR_RETURN(const std::string advertised, AdvertisedAddress(listen, options_.advertise));

  if (options_.parameters) {
    SyncLoopOptions sync;
    if (elects()) {
      sync.coordinator = [this] {
        absl::MutexLock lock(&locate_mutex_);
        return locator_ == nullptr ? std::string() : locator_->coordinator();
      };
    } else {
      sync.join = options_.coordinator ? address_ : options_.join;
    }
    sync.id = id_;
    sync.zone = options_.zone;
    sync.logger = options_.logger;
    sync.on_directives = [this](const v1::ServerSyncReply& reply) { checkpoints_->Follow(reply); };
    sync_ = std::make_unique<SyncLoop>(std::move(sync), parameters_->host());
  }
  if (control_ != nullptr) RETURN_IF_ERROR(Elect(advertised));
  if (sync_ != nullptr) sync_->Start(advertised);
  options_.logger->Log(LogLevel::kInfo, "serving",
                       {{"address", address_},
                        {"advertised", advertised},
                        {"coordinator", options_.coordinator},
                        {"parameters", options_.parameters},
                        {"release", kRelease}});
  if (metrics_ != nullptr) {
    metrics_->Serve([this] { return Metrics(); });
    options_.logger->Log(LogLevel::kInfo, "serving metrics", {{"url", metrics_->url()}});
  }
  return absl::OkStatus();
}

void Server::Impl::Stop() {
  absl::MutexLock lock(&stop_mutex_);
  if (stopped_) return;
  stopped_ = true;
  if (metrics_ != nullptr) metrics_->Stop();
  if (sync_ != nullptr) sync_->Stop();
  if (timer_ != nullptr) timer_->Stop();
  if (checkpoints_ != nullptr) checkpoints_->Stop();
  if (parameters_ != nullptr) parameters_->Stop();
  if (streams_ != nullptr) streams_->Stop();
  if (control_ != nullptr) control_->Stop();
  if (election_ != nullptr) election_->Stop();
  if (replica_calls_ != nullptr) replica_calls_->Stop();
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

std::string Server::metrics_url() const { return impl_->metrics_url(); }

void Server::Stop() { impl_->Stop(); }

}  // namespace paceline
