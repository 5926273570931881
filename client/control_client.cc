#include "client/control_client.h"

#include <grpcpp/grpcpp.h>

#include <set>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "common/net/grpc_status.h"
#include "common/net/transport.h"
#include "proto/control.grpc.pb.h"

namespace paceline {

class ControlClient::Impl {
 public:
  explicit Impl(const std::string& address)
      : address_(address), stub_(v1::ControlService::NewStub(MakeChannel(address))) {}

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
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + timeout));
    if (!Begin(&context)) return Stopped();
    Reply reply;
    const grpc::Status status = (stub_.get()->*method)(&context, request, &reply);
    End(&context);
    if (!status.ok()) return Named(status);
    return reply;
  }

  void LeaseRuns(const v1::LeaseRequest& request, absl::Duration timeout,
                 std::function<void(absl::StatusOr<v1::LeaseReply>)> done) {
    struct Pending {
      grpc::ClientContext context;
      v1::LeaseRequest request;
      v1::LeaseReply reply;
    };
    auto pending = std::make_shared<Pending>();
    pending->request = request;
    pending->context.set_deadline(absl::ToChronoTime(absl::Now() + timeout));
    if (!Begin(&pending->context)) return done(Stopped());
    stub_->async()->LeaseRuns(&pending->context, &pending->request, &pending->reply,
                              [this, pending, done = std::move(done)](grpc::Status status) {
                                if (status.ok()) {
                                  done(std::move(pending->reply));
                                } else {
                                  done(Named(status));
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

  absl::Status Named(const grpc::Status& status) const {
    const absl::Status plain = FromGrpcStatus(status);
    if (!absl::IsUnavailable(plain) && !absl::IsDeadlineExceeded(plain)) return plain;
    return absl::Status(plain.code(), absl::StrCat("coordinator at ", address_, ": ",
                                                   std::string(plain.message())));
  }

  const std::string address_;
  const std::unique_ptr<v1::ControlService::Stub> stub_;
  absl::Mutex mutex_;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  std::set<grpc::ClientContext*> running_ ABSL_GUARDED_BY(mutex_);
};

ControlClient::ControlClient(const std::string& address) : impl_(std::make_unique<Impl>(address)) {}
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

void ControlClient::LeaseRuns(const v1::LeaseRequest& request, absl::Duration timeout,
                              std::function<void(absl::StatusOr<v1::LeaseReply>)> done) {
  impl_->LeaseRuns(request, timeout, std::move(done));
}

void ControlClient::Stop() { impl_->Stop(); }

}  // namespace paceline
