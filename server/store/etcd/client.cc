#include "server/store/etcd/client.h"

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/support/sync_stream.h>

#include <algorithm>
#include <functional>
#include <set>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "common/base/check.h"
#include "common/net/grpc_status.h"
#include "common/net/transport.h"
#include "server/store/etcd/etcd.grpc.pb.h"

namespace paceline {
namespace {

// An endpoint that is not connected by then is passed over.
constexpr absl::Duration kConnectTimeout = absl::Milliseconds(250);

}  // namespace

class EtcdClient::Impl {
 public:
  struct Endpoint {
    std::string name;
    std::shared_ptr<grpc::Channel> channel;
    std::unique_ptr<etcdserverpb::KV::Stub> kv;
    std::unique_ptr<etcdserverpb::Lease::Stub> lease;
  };
  using Attempt = std::function<grpc::Status(const Endpoint&, grpc::ClientContext*)>;

  explicit Impl(const std::vector<std::string>& endpoints) {
    PACELINE_CHECK(!endpoints.empty());
    for (const std::string& name : endpoints) {
      const auto channel = MakeChannel(name);
      endpoints_.push_back({name, channel, etcdserverpb::KV::NewStub(channel),
                            etcdserverpb::Lease::NewStub(channel)});
    }
  }

  size_t endpoint_count() const { return endpoints_.size(); }

  absl::Status Call(absl::Duration timeout, const Attempt& attempt) ABSL_LOCKS_EXCLUDED(mutex_);
  static grpc::Status Try(absl::Duration timeout, const Endpoint& endpoint, const Attempt& attempt,
                          grpc::ClientContext* context);
  void CancelCalls() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  std::vector<Endpoint> endpoints_;  // Constant after construction.

  absl::Mutex mutex_;
  size_t current_ ABSL_GUARDED_BY(mutex_) = 0;
  std::set<grpc::ClientContext*> calls_ ABSL_GUARDED_BY(mutex_);
};

grpc::Status EtcdClient::Impl::Try(absl::Duration timeout, const Endpoint& endpoint,
                                   const Attempt& attempt, grpc::ClientContext* context) {
  const absl::Time begin = absl::Now();
  context->set_deadline(absl::ToChronoTime(begin + timeout));
  // A call on a channel whose last connection failed would itself fail at once, and with no call
  // waiting nothing drives the next connection on.
  if (!endpoint.channel->WaitForConnected(
          absl::ToChronoTime(begin + std::min(timeout, kConnectTimeout)))) {
    return grpc::Status(grpc::StatusCode::UNAVAILABLE, "no connection");
  }
  return attempt(endpoint, context);
}

absl::Status EtcdClient::Impl::Call(absl::Duration timeout, const Attempt& attempt) {
  grpc::ClientContext context;
  size_t chosen = 0;
  {
    absl::MutexLock lock(&mutex_);
    chosen = current_;
    calls_.insert(&context);
  }
  const absl::Status status = FromGrpcStatus(Try(timeout, endpoints_[chosen], attempt, &context));
  {
    absl::MutexLock lock(&mutex_);
    calls_.erase(&context);
    // Of several threads that fail at one endpoint, one moves on.
    if (IsTransient(status) && current_ == chosen) current_ = (chosen + 1) % endpoints_.size();
  }
  if (status.ok()) return status;
  return absl::Status(status.code(),
                      absl::StrCat("etcd at ", endpoints_[chosen].name, ": ", status.message()));
}

void EtcdClient::Impl::CancelCalls() {
  absl::MutexLock lock(&mutex_);
  for (grpc::ClientContext* call : calls_) call->TryCancel();
}

EtcdClient::EtcdClient(const std::vector<std::string>& endpoints)
    : impl_(std::make_unique<Impl>(endpoints)) {}

EtcdClient::~EtcdClient() = default;

size_t EtcdClient::endpoint_count() const { return impl_->endpoint_count(); }

void EtcdClient::CancelCalls() { impl_->CancelCalls(); }

absl::StatusOr<etcdserverpb::RangeResponse> EtcdClient::Range(
    const etcdserverpb::RangeRequest& request, absl::Duration timeout) {
  etcdserverpb::RangeResponse reply;
  const absl::Status status = impl_->Call(timeout, [&](const auto& endpoint, auto* context) {
    return endpoint.kv->Range(context, request, &reply);
  });
  if (!status.ok()) return status;
  return reply;
}

absl::StatusOr<etcdserverpb::TxnResponse> EtcdClient::Txn(const etcdserverpb::TxnRequest& request,
                                                          absl::Duration timeout) {
  etcdserverpb::TxnResponse reply;
  const absl::Status status = impl_->Call(timeout, [&](const auto& endpoint, auto* context) {
    return endpoint.kv->Txn(context, request, &reply);
  });
  if (!status.ok()) return status;
  return reply;
}

absl::StatusOr<int64_t> EtcdClient::GrantLease(absl::Duration ttl, absl::Duration timeout) {
  etcdserverpb::LeaseGrantRequest request;
  request.set_ttl(absl::ToInt64Seconds(absl::Ceil(ttl, absl::Seconds(1))));
  etcdserverpb::LeaseGrantResponse reply;
  const absl::Status status = impl_->Call(timeout, [&](const auto& endpoint, auto* context) {
    return endpoint.lease->LeaseGrant(context, request, &reply);
  });
  if (!status.ok()) return status;
  return reply.id();
}

absl::Status EtcdClient::RenewLease(int64_t lease, absl::Duration timeout) {
  etcdserverpb::LeaseKeepAliveRequest request;
  request.set_id(lease);
  etcdserverpb::LeaseKeepAliveResponse reply;
  const absl::Status status = impl_->Call(timeout, [&](const auto& endpoint, auto* context) {
    const auto stream = endpoint.lease->LeaseKeepAlive(context);
    const bool answered = stream->Write(request) && stream->Read(&reply);
    stream->WritesDone();
    // etcd keeps the stream open; the one answer is all that is wanted of it.
    if (answered) context->TryCancel();
    const grpc::Status ended = stream->Finish();
    if (answered) return grpc::Status::OK;
    // A stream that ends well without an answer has not renewed anything.
    return ended.ok() ? grpc::Status(grpc::StatusCode::UNAVAILABLE, "no answer") : ended;
  });
  if (!status.ok() || reply.ttl() > 0) return status;
  return absl::NotFoundError(absl::StrCat("etcd: lease ", lease, " has ended"));
}

absl::Status EtcdClient::RevokeLease(int64_t lease, absl::Duration timeout) {
  etcdserverpb::LeaseRevokeRequest request;
  request.set_id(lease);
  etcdserverpb::LeaseRevokeResponse reply;
  return impl_->Call(timeout, [&](const auto& endpoint, auto* context) {
    return endpoint.lease->LeaseRevoke(context, request, &reply);
  });
}

}  // namespace paceline
