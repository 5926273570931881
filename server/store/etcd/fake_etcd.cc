#include "server/store/etcd/fake_etcd.h"

namespace paceline {
namespace {

using etcdserverpb::KeyValue;

}  // namespace

class FakeEtcd::Connection : public EtcdKv {
 public:
  explicit Connection(FakeEtcd* etcd) : etcd_(etcd) {}

  absl::StatusOr<etcdserverpb::RangeResponse> Range(const etcdserverpb::RangeRequest& request,
                                                    absl::Duration) override {
    if (etcd_->on_call) etcd_->on_call();
    ++etcd_->calls;
    if (!etcd_->outage.ok()) return etcd_->outage;
    if (etcd_->Next() != Fault::kNone) return absl::UnavailableError("lost");
    return etcd_->Range(request);
  }

  absl::StatusOr<etcdserverpb::TxnResponse> Txn(const etcdserverpb::TxnRequest& request,
                                                absl::Duration) override {
    if (etcd_->on_call) etcd_->on_call();
    ++etcd_->calls;
    if (!etcd_->outage.ok()) return etcd_->outage;
    switch (etcd_->Next()) {
      case Fault::kNone:
        return etcd_->Txn(request);
      case Fault::kLoseRequest:
        break;
      case Fault::kLoseReply:
        etcd_->Txn(request);
        break;
      case Fault::kDelay:
        etcd_->delayed_.push_back(request);
        break;
    }
    return absl::DeadlineExceededError("lost");
  }

  size_t endpoint_count() const override { return 1; }

 private:
  FakeEtcd* const etcd_;
};

std::unique_ptr<EtcdKv> FakeEtcd::Client(FakeEtcd* etcd) {
  return std::make_unique<Connection>(etcd);
}

FakeEtcd::Fault FakeEtcd::Next() {
  if (faults.empty()) return Fault::kNone;
  const Fault fault = faults.front();
  faults.pop_front();
  return fault;
}

void FakeEtcd::Deliver() {
  for (const auto& request : std::exchange(delayed_, {})) Txn(request);
}

etcdserverpb::RangeResponse FakeEtcd::Range(const etcdserverpb::RangeRequest& request) const {
  etcdserverpb::RangeResponse reply;
  reply.mutable_header()->set_revision(revision_);
  const std::string end = request.range_end().empty() ? request.key() + '\0' : request.range_end();
  for (auto it = keys_.lower_bound(request.key()); it != keys_.end(); ++it) {
    if (end != std::string(1, '\0') && it->first >= end) break;
    if (request.limit() > 0 && reply.kvs_size() == request.limit()) {
      reply.set_more(true);
      break;
    }
    *reply.add_kvs() = it->second;
  }
  return reply;
}

bool FakeEtcd::Holds(const etcdserverpb::Compare& compare) const {
  const auto it = keys_.find(compare.key());
  const KeyValue kv = it == keys_.end() ? KeyValue() : it->second;
  return compare.target() == etcdserverpb::Compare::CREATE
             ? kv.create_revision() == compare.create_revision()
             : kv.mod_revision() == compare.mod_revision();
}

bool FakeEtcd::Do(const etcdserverpb::RequestOp& operation, int64_t revision,
                  etcdserverpb::ResponseOp* reply) {
  if (operation.has_request_range()) {
    *reply->mutable_response_range() = Range(operation.request_range());
    return false;
  }
  if (operation.has_request_txn()) {
    return DoTxn(operation.request_txn(), revision, reply->mutable_response_txn());
  }
  if (operation.has_request_put()) {
    KeyValue& kv = keys_[operation.request_put().key()];
    kv.set_key(operation.request_put().key());
    kv.set_value(operation.request_put().value());
    kv.set_lease(operation.request_put().lease());
    kv.set_mod_revision(revision);
    if (kv.create_revision() == 0) kv.set_create_revision(revision);
    return true;
  }
  const etcdserverpb::DeleteRangeRequest& erase = operation.request_delete_range();
  const std::string end = erase.range_end().empty() ? erase.key() + '\0' : erase.range_end();
  const auto from = keys_.lower_bound(erase.key());
  const auto to = keys_.lower_bound(end);
  const bool any = from != to;
  keys_.erase(from, to);
  return any;
}

bool FakeEtcd::DoTxn(const etcdserverpb::TxnRequest& request, int64_t revision,
                     etcdserverpb::TxnResponse* reply) {
  bool holds = true;
  for (const auto& compare : request.compare()) holds = holds && Holds(compare);
  reply->set_succeeded(holds);
  bool wrote = false;
  for (const auto& operation : holds ? request.success() : request.failure()) {
    wrote = Do(operation, revision, reply->add_responses()) || wrote;
  }
  return wrote;
}

etcdserverpb::TxnResponse FakeEtcd::Txn(const etcdserverpb::TxnRequest& request) {
  etcdserverpb::TxnResponse reply;
  if (DoTxn(request, revision_ + 1, &reply)) ++revision_;
  reply.mutable_header()->set_revision(revision_);
  return reply;
}

}  // namespace paceline
