#include "server/sync_loop.h"

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <unistd.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/optional.h"
#include "common/base/clock.h"
#include "common/base/version.h"
#include "common/net/coordinator_choice.h"
#include "common/net/grpc_status.h"
#include "common/net/transport.h"
#include "proto/control.grpc.pb.h"

namespace paceline {
namespace {

// The coordinator holds a call for an interval; the first call may take this much longer. Later
// ones get a quarter of the lease: an answer that is lost must not cost the lease, and with it the
// jobs.
constexpr absl::Duration kPatience = absl::Seconds(5);
constexpr int kPatiencesInLease = 4;
constexpr absl::Duration kLeavePatience = absl::Seconds(1);
constexpr absl::Duration kRetryMin = absl::Milliseconds(50);
// Several attempts fit into a lease.
constexpr absl::Duration kRetryMax = absl::Milliseconds(250);

}  // namespace

class SyncLoop::Impl {
 public:
  Impl(SyncLoopOptions options, PartitionHost* host)
      : options_(std::move(options)), host_(host), choice_(options_.join) {}

  void Start(std::string address) {
    address_ = std::move(address);
    talker_ = std::thread([this] { Talk(); });
    follower_ = std::thread([this] { Follow(); });
  }

  void Hurry() ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    hurry_ = true;
    if (call_ != nullptr && !registering_) call_->TryCancel();
  }

  void Redirect() ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    hurry_ = true;
    if (call_ != nullptr) call_->TryCancel();
  }

  void Stop() ABSL_LOCKS_EXCLUDED(mutex_) {
    {
      absl::MutexLock lock(&mutex_);
      stopping_ = true;
      // A registration is answered at once; without the answer this server could not leave.
      if (registering_)
        mutex_.AwaitWithTimeout(absl::Condition(this, &Impl::IsIdle), kLeavePatience);
      if (call_ != nullptr) call_->TryCancel();
    }
    if (talker_.joinable()) talker_.join();
    if (follower_.joinable()) follower_.join();
  }

 private:
  // The talker's.
  void Talk() ABSL_LOCKS_EXCLUDED(mutex_);
  v1::ServerSyncRequest MakeRequest() const;
  void Aim();
  void Missed(const grpc::ClientContext& context);
  absl::Status Sync(v1::ServerSyncReply* reply) ABSL_LOCKS_EXCLUDED(mutex_);
  void Synced(v1::ServerSyncReply reply) ABSL_LOCKS_EXCLUDED(mutex_);
  void Failed(const absl::Status& status) ABSL_LOCKS_EXCLUDED(mutex_);
  void Leave();

  bool IsIdle() const ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return call_ == nullptr; }

  // The follower's.
  void Follow() ABSL_LOCKS_EXCLUDED(mutex_);
  bool HasWork() const ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return stopping_ || directives_.has_value();
  }

  const SyncLoopOptions options_;
  PartitionHost* const host_;  // Safe by itself.
  CoordinatorChoice choice_;   // Safe by itself.
  std::string address_;        // Constant after Start.

  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  // Something has happened since the newest report.
  bool hurry_ ABSL_GUARDED_BY(mutex_) = false;
  grpc::ClientContext* call_ ABSL_GUARDED_BY(mutex_) = nullptr;  // In flight; may be cancelled.
  bool registering_ ABSL_GUARDED_BY(mutex_) = false;             // What call_ does.
  // The newest directives nobody has followed; older ones need not be.
  absl::optional<v1::ServerSyncReply> directives_ ABSL_GUARDED_BY(mutex_);

  // The talker's alone.
  std::string target_;                              // The coordinator that stub_ leads to.
  std::unique_ptr<v1::ControlService::Stub> stub_;  // Null: to be connected.
  v1::ServerIdentity identity_;
  uint64_t known_version_ = 0;
  absl::Duration interval_ = absl::Seconds(1);
  absl::Duration patience_ = kPatience;
  absl::Duration retry_ = kRetryMin;
  std::string
      trouble_;  // What was logged when the coordinator was last heard of; empty: all is well.

  std::thread talker_;
  std::thread follower_;
};

void SyncLoop::Impl::Talk() {
  identity_.set_id(options_.id);
  for (;;) {
    {
      absl::MutexLock lock(&mutex_);
      if (stopping_) break;
      hurry_ = false;
    }
    v1::ServerSyncReply reply;
    const absl::Status status = Sync(&reply);
    if (status.ok()) {
      Synced(std::move(reply));
    } else if (!absl::IsCancelled(status)) {
      Failed(status);
    }
  }
  Leave();
}

v1::ServerSyncRequest SyncLoop::Impl::MakeRequest() const {
  v1::ServerSyncRequest request;
  *request.mutable_server() = identity_;
  request.set_release(kRelease);
  request.set_address(address_);
  request.set_zone(options_.zone);
  request.set_pid(static_cast<uint64_t>(getpid()));
  request.set_known_version(known_version_);
  return request;
}

// Turns to who is the coordinator now.
void SyncLoop::Impl::Aim() {
  const std::string now =
      options_.coordinator != nullptr ? options_.coordinator() : choice_.current();
  if (stub_ != nullptr && now == target_) return;
  target_ = now;
  stub_.reset();
  if (target_.empty()) return;
  stub_ = v1::ControlService::NewStub(MakeChannel(target_, kServerReconnectMax));
}

// There is no coordinator, or none that answers. A channel that was refused connects again only
// after a while, a new one does at once.
void SyncLoop::Impl::Missed(const grpc::ClientContext& context) {
  const auto& trailers = context.GetServerTrailingMetadata();
  const auto found = trailers.find(kCoordinatorKey);
  const bool is_told = found != trailers.end();
  choice_.OnFailed(target_, is_told ? std::string(found->second.data(), found->second.size()) : "");
  if (!is_told) stub_.reset();
}

// Cancelled: by Hurry or Stop.
absl::Status SyncLoop::Impl::Sync(v1::ServerSyncReply* reply) {
  v1::ServerSyncRequest request = MakeRequest();
  for (v1::PartitionReport& report : host_->Report(SteadyNow())) {
    *request.add_partitions() = std::move(report);
  }
  Aim();
  if (target_.empty()) return absl::UnavailableError("nobody has been elected coordinator yet");
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + interval_ + patience_));
  {
    absl::MutexLock lock(&mutex_);
    if (hurry_ || stopping_) return absl::CancelledError();
    call_ = &context;
    registering_ = request.server().incarnation() == 0;
  }
  const grpc::Status status = stub_->ServerSync(&context, request, reply);
  absl::MutexLock lock(&mutex_);
  call_ = nullptr;
  registering_ = false;
  if (status.error_code() == grpc::StatusCode::CANCELLED && !hurry_ && !stopping_) {
    return absl::UnavailableError("the coordinator cancelled the call");
  }
  const bool is_late = status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED;
  if (is_late || status.error_code() == grpc::StatusCode::UNAVAILABLE) Missed(context);
  return FromGrpcStatus(status);
}

void SyncLoop::Impl::Synced(v1::ServerSyncReply reply) {
  if (identity_.incarnation() != reply.server().incarnation()) {
    options_.logger->Log(LogLevel::kInfo, "registered with the coordinator",
                         {{"coordinator", target_},
                          {"server", reply.server().id()},
                          {"incarnation", reply.server().incarnation()}});
  } else if (!trouble_.empty()) {
    options_.logger->Log(LogLevel::kInfo, "the coordinator is back", {{"coordinator", target_}});
  }
  trouble_.clear();
  retry_ = kRetryMin;
  identity_ = reply.server();
  known_version_ = reply.version();
  interval_ = absl::Milliseconds(reply.sync_interval_ms());
  patience_ = absl::Milliseconds(reply.lease_ms()) / kPatiencesInLease;
  if (!reply.changed()) return;
  absl::MutexLock lock(&mutex_);
  directives_ = std::move(reply);
}

void SyncLoop::Impl::Failed(const absl::Status& status) {
  if (absl::IsFailedPrecondition(status) && identity_.incarnation() != 0) {
    options_.logger->Log(LogLevel::kWarning,
                         "the coordinator no longer knows this incarnation; registering anew",
                         {{"server", identity_.id()},
                          {"incarnation", identity_.incarnation()},
                          {"reason", status.message()}});
    identity_.set_incarnation(0);
    known_version_ = 0;
  } else if (trouble_ != status.message()) {
    trouble_ = std::string(status.message());
    options_.logger->Log(LogLevel::kWarning,
                         "cannot sync with the coordinator; keeping everything and retrying",
                         {{"coordinator", target_}, {"reason", status.ToString()}});
  }
  absl::MutexLock lock(&mutex_);
  mutex_.AwaitWithTimeout(absl::Condition(&stopping_), retry_);
  retry_ = std::min(2 * retry_, kRetryMax);
}

void SyncLoop::Impl::Leave() {
  if (identity_.incarnation() == 0) return;
  v1::ServerSyncRequest request = MakeRequest();
  request.set_leaving(true);
  Aim();
  if (target_.empty()) return;
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + kLeavePatience));
  v1::ServerSyncReply reply;
  const grpc::Status status = stub_->ServerSync(&context, request, &reply);
  if (status.ok()) return;
  options_.logger->Log(LogLevel::kWarning, "left without a word to the coordinator",
                       {{"coordinator", target_}, {"reason", status.error_message()}});
}

void SyncLoop::Impl::Follow() {
  for (;;) {
    v1::ServerSyncReply reply;
    {
      absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(this, &Impl::HasWork));
      if (stopping_) return;
      reply = *std::move(directives_);
      directives_.reset();
    }
    if (options_.on_directives != nullptr) options_.on_directives(reply);
    host_->OnDirectives(SteadyNow(), reply);
    if (host_->TakeNews()) Hurry();
  }
}

SyncLoop::SyncLoop(SyncLoopOptions options, PartitionHost* host)
    : impl_(std::make_unique<Impl>(std::move(options), host)) {}

SyncLoop::~SyncLoop() { Stop(); }

void SyncLoop::Start(std::string address) { impl_->Start(std::move(address)); }

void SyncLoop::Hurry() { impl_->Hurry(); }

void SyncLoop::Redirect() { impl_->Redirect(); }

void SyncLoop::Stop() { impl_->Stop(); }

}  // namespace paceline
