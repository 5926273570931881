#include "client/control_client.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <set>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "common/net/coordinator_choice.h"
#include "common/net/grpc_status.h"
#include "common/net/transport.h"
#include "proto/control.grpc.pb.h"

namespace paceline {

namespace {

// A call that goes round among several servers waits this long before each further round.
constexpr absl::Duration kRoundPause = absl::Milliseconds(100);
// One attempt of several has its share of the time, but this much if the caller has it.
constexpr absl::Duration kAttemptMin = absl::Seconds(3);

}  // namespace

class ControlClient::Impl {
 public:
  explicit Impl(const std::string& addresses) : choice_(addresses) {}

  ~Impl() {
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(
        +[](std::set<grpc::ClientContext*>* running) { return running->empty(); }, &running_));
  }

  template <typename Request, typename Reply>
  absl::StatusOr<Reply> Call(grpc::Status (v1::ControlService::Stub::*method)(grpc::ClientContext*,
                                                                              const Request&,
                                                                              Reply*),
                             const Request& request, absl::Duration timeout) {
    const absl::Time end = absl::Now() + timeout;
    Search search;
    for (;;) {
      const Target target = Aim();
      grpc::ClientContext context;
      context.set_deadline(absl::ToChronoTime(std::min(end, absl::Now() + AttemptTime(timeout))));
      if (!Begin(&context)) return Stopped();
      Reply reply;
      const grpc::Status status = (target.stub.get()->*method)(&context, request, &reply);
      End(&context);
      if (status.ok()) return reply;
      const bool again = Learn(target, context, status, &search);
      if (!again || !Pause(search, end)) return Named(status, target.address);
    }
  }

  void LeaseRuns(const v1::LeaseRequest& request, absl::Duration timeout,
                 std::function<void(absl::StatusOr<v1::LeaseReply>)> done) {
    struct Pending {
      Target target;
      grpc::ClientContext context;
      v1::LeaseRequest request;
      v1::LeaseReply reply;
    };
    auto pending = std::make_shared<Pending>();
    pending->target = Aim();
    pending->request = request;
    pending->context.set_deadline(absl::ToChronoTime(absl::Now() + timeout));
    if (!Begin(&pending->context)) return done(Stopped());
    pending->target.stub->async()->LeaseRuns(
        &pending->context, &pending->request, &pending->reply,
        [this, pending, done = std::move(done)](grpc::Status status) {
          if (status.ok()) {
            done(std::move(pending->reply));
          } else {
            Search search;
            Learn(pending->target, pending->context, status, &search);
            done(Named(status, pending->target.address));
          }
          End(&pending->context);  // Last: the destructor waits for it.
        });
  }

  void Stop() {
    absl::MutexLock lock(&mutex_);
    stopped_ = true;
    for (grpc::ClientContext* context : running_) context->TryCancel();
  }

 private:
  struct Target {
    std::string address;
    std::shared_ptr<v1::ControlService::Stub> stub;
  };

  // What the attempts of one call have met.
  struct Search {
    size_t attempts = 0;
    bool met_fleet = false;  // A server that knows of a coordinator, or will.
  };

  Target Aim() ABSL_LOCKS_EXCLUDED(mutex_) {
    const std::string address = choice_.current();
    absl::MutexLock lock(&mutex_);
    if (target_.stub == nullptr || target_.address != address) {
      target_ = {address, v1::ControlService::NewStub(MakeChannel(address))};
    }
    return target_;
  }

  absl::Duration AttemptTime(absl::Duration timeout) const {
    const auto share = timeout / static_cast<int64_t>(choice_.size());
    return std::max(share, kAttemptMin);
  }

  // Turns to another server if this one is no coordinator; whether to try again.
  bool Learn(const Target& target, const grpc::ClientContext& context, const grpc::Status& status,
             Search* search) ABSL_LOCKS_EXCLUDED(mutex_) {
    const bool is_late = status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED;
    if (!is_late && status.error_code() != grpc::StatusCode::UNAVAILABLE) return false;
    const auto& trailers = context.GetServerTrailingMetadata();
    const auto found = trailers.find(kCoordinatorKey);
    const bool is_told = found != trailers.end();
    const std::string hint = is_told ? std::string(found->second.data(), found->second.size()) : "";
    if (hint == kCoordinatorHere) return false;
    choice_.OnFailed(target.address, hint);
    if (!is_told && !is_late) Forget(target);
    ++search->attempts;
    search->met_fleet |= is_told;
    return search->met_fleet || search->attempts < choice_.size();
  }

  // A channel that was refused connects again only after a while; a new one does at once.
  void Forget(const Target& target) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    if (target_.stub == target.stub) target_.stub.reset();
  }

  // Between attempts. False: the call is over.
  bool Pause(const Search& search, absl::Time end) ABSL_LOCKS_EXCLUDED(mutex_) {
    const bool is_first_round = search.attempts <= choice_.size();
    const absl::Duration pause = is_first_round ? absl::ZeroDuration() : kRoundPause;
    if (absl::Now() + pause >= end) return false;
    absl::MutexLock lock(&mutex_);
    return !mutex_.AwaitWithTimeout(absl::Condition(&stopped_), pause);
  }

  bool Begin(grpc::ClientContext* context) {
    absl::MutexLock lock(&mutex_);
    if (stopped_) return false;
    running_.insert(context);
    return true;
  }

  void End(grpc::ClientContext* context) {
    absl::MutexLock lock(&mutex_);
    running_.erase(context);
  }

  static absl::Status Stopped() { return absl::CancelledError("this client has been stopped"); }

  static absl::Status Named(const grpc::Status& status, const std::string& address) {
    const absl::Status plain = FromGrpcStatus(status);
    if (!absl::IsUnavailable(plain) && !absl::IsDeadlineExceeded(plain)) return plain;
    return absl::Status(
        plain.code(), absl::StrCat("coordinator at ", address, ": ", std::string(plain.message())));
  }

  CoordinatorChoice choice_;
  absl::Mutex mutex_;
  Target target_ ABSL_GUARDED_BY(mutex_);  // Of the last call.
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  std::set<grpc::ClientContext*> running_ ABSL_GUARDED_BY(mutex_);
};

ControlClient::ControlClient(const std::string& addresses)
    : impl_(std::make_unique<Impl>(addresses)) {}
ControlClient::~ControlClient() = default;

absl::StatusOr<v1::WorkerSyncReply> ControlClient::WorkerSync(const v1::WorkerSyncRequest& request,
                                                              absl::Duration timeout) {
  return impl_->Call(&v1::ControlService::Stub::WorkerSync, request, timeout);
}
absl::StatusOr<v1::ServerSyncReply> ControlClient::ServerSync(const v1::ServerSyncRequest& request,
                                                              absl::Duration timeout) {
  return impl_->Call(&v1::ControlService::Stub::ServerSync, request, timeout);
}
absl::StatusOr<v1::SubmitJobReply> ControlClient::SubmitJob(const v1::SubmitJobRequest& request,
                                                            absl::Duration timeout) {
  return impl_->Call(&v1::ControlService::Stub::SubmitJob, request, timeout);
}
absl::StatusOr<v1::JobStatus> ControlClient::DescribeJob(const v1::DescribeJobRequest& request,
                                                         absl::Duration timeout) {
  return impl_->Call(&v1::ControlService::Stub::DescribeJob, request, timeout);
}
absl::StatusOr<v1::ListJobsReply> ControlClient::ListJobs(const v1::ListJobsRequest& request,
                                                          absl::Duration timeout) {
  return impl_->Call(&v1::ControlService::Stub::ListJobs, request, timeout);
}
absl::StatusOr<v1::CancelJobReply> ControlClient::CancelJob(const v1::CancelJobRequest& request,
                                                            absl::Duration timeout) {
  return impl_->Call(&v1::ControlService::Stub::CancelJob, request, timeout);
}
absl::StatusOr<v1::SetConsistencyReply> ControlClient::SetConsistency(
    const v1::SetConsistencyRequest& request, absl::Duration timeout) {
  return impl_->Call(&v1::ControlService::Stub::SetConsistency, request, timeout);
}
absl::StatusOr<v1::ListEventsReply> ControlClient::ListEvents(const v1::ListEventsRequest& request,
                                                              absl::Duration timeout) {
  return impl_->Call(&v1::ControlService::Stub::ListEvents, request, timeout);
}
absl::StatusOr<v1::FleetStatus> ControlClient::DescribeFleet(
    const v1::DescribeFleetRequest& request, absl::Duration timeout) {
  return impl_->Call(&v1::ControlService::Stub::DescribeFleet, request, timeout);
}
absl::StatusOr<v1::DrainServerReply> ControlClient::DrainServer(
    const v1::DrainServerRequest& request, absl::Duration timeout) {
  return impl_->Call(&v1::ControlService::Stub::DrainServer, request, timeout);
}
absl::StatusOr<v1::RebalanceReply> ControlClient::Rebalance(const v1::RebalanceRequest& request,
                                                            absl::Duration timeout) {
  return impl_->Call(&v1::ControlService::Stub::Rebalance, request, timeout);
}
absl::StatusOr<v1::ScaleJobReply> ControlClient::ScaleJob(const v1::ScaleJobRequest& request,
                                                          absl::Duration timeout) {
  return impl_->Call(&v1::ControlService::Stub::ScaleJob, request, timeout);
}
absl::StatusOr<v1::TakeCheckpointReply> ControlClient::TakeCheckpoint(
    const v1::TakeCheckpointRequest& request, absl::Duration timeout) {
  return impl_->Call(&v1::ControlService::Stub::TakeCheckpoint, request, timeout);
}

void ControlClient::LeaseRuns(const v1::LeaseRequest& request, absl::Duration timeout,
                              std::function<void(absl::StatusOr<v1::LeaseReply>)> done) {
  impl_->LeaseRuns(request, timeout, std::move(done));
}

void ControlClient::Stop() { impl_->Stop(); }

}  // namespace paceline
