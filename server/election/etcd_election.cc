#include "server/election/etcd_election.h"

#include <deque>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "common/base/clock.h"
#include "server/store/etcd/client.h"
#include "server/store/etcd/layout.h"

namespace paceline {
namespace {

using Kind = ElectionCall::Kind;

constexpr absl::Duration kTimeout = absl::Seconds(1);
constexpr absl::Duration kGoodbyeTimeout = absl::Milliseconds(500);

}  // namespace

class EtcdElection::Impl {
 public:
  Impl(EtcdAddress etcd, ElectionOptions options)
      : key_(etcd.LeaderKey()),
        options_(options),
        client_(etcd.endpoints),
        core_(std::move(options)) {}

  void Start(ElectionCallbacks callbacks) {
    callbacks_ = std::move(callbacks);
    caller_ = std::thread([this] { Call(); });
    teller_ = std::thread([this] { Tell(); });
  }

  std::string coordinator() const ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    return core_.coordinator();
  }

  void Resign(absl::string_view why) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    core_.Resign(SteadyNow(), why);
    hurry_ = true;
    TakeNewsLocked();
  }

  void BeginAnew(absl::string_view why) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    core_.BeginAnew(SteadyNow(), why);
    hurry_ = true;
    TakeNewsLocked();
  }

  void Stop() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  using Holder = absl::optional<ElectionHolder>;

  // The caller's.
  void Call() ABSL_LOCKS_EXCLUDED(mutex_);
  ElectionCall AwaitCall() ABSL_LOCKS_EXCLUDED(mutex_);
  void Do(const ElectionCall& call) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::StatusOr<Holder> Read();
  absl::StatusOr<Holder> Claim(int64_t lease);
  static Holder HolderIn(const etcdserverpb::RangeResponse& range);

  // The teller's.
  void Tell() ABSL_LOCKS_EXCLUDED(mutex_);
  void TellOne(const ElectionNews& news);

  void TakeNewsLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    for (ElectionNews& news : core_.TakeNews()) news_.push_back(std::move(news));
  }
  bool HasNews() const ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return stopping_ || !news_.empty(); }
  bool IsHurried() const ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return stopping_ || hurry_; }

  const std::string key_;
  const ElectionOptions options_;
  ElectionCallbacks callbacks_;  // Constant after Start.

  EtcdClient client_;  // Safe by itself.

  mutable absl::Mutex mutex_;
  ElectionCore core_ ABSL_GUARDED_BY(mutex_);
  std::deque<ElectionNews> news_ ABSL_GUARDED_BY(mutex_);
  bool hurry_ ABSL_GUARDED_BY(mutex_) = false;  // The core's due time may be earlier now.
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;

  std::thread caller_;
  std::thread teller_;
};

ElectionCall EtcdElection::Impl::AwaitCall() {
  absl::MutexLock lock(&mutex_);
  for (;;) {
    if (stopping_) return {};
    const absl::Time now = SteadyNow();
    const ElectionCall call = core_.Next(now);
    if (call.kind != Kind::kNone) return call;
    hurry_ = false;
    mutex_.AwaitWithTimeout(absl::Condition(this, &Impl::IsHurried), core_.due() - now);
  }
}

void EtcdElection::Impl::Call() {
  for (;;) {
    const ElectionCall call = AwaitCall();
    if (call.kind == Kind::kNone) return;
    Do(call);
    absl::MutexLock lock(&mutex_);
    TakeNewsLocked();
  }
}

void EtcdElection::Impl::Do(const ElectionCall& call) {
  switch (call.kind) {
    case Kind::kGrant: {
      const absl::StatusOr<int64_t> lease = client_.GrantLease(options_.ttl, kTimeout);
      absl::MutexLock lock(&mutex_);
      return core_.OnGranted(SteadyNow(), lease);
    }
    case Kind::kRenew: {
      const absl::Status status = client_.RenewLease(call.lease, kTimeout);
      absl::MutexLock lock(&mutex_);
      return core_.OnRenewed(SteadyNow(), status);
    }
    case Kind::kClaim:
    case Kind::kRead: {
      const absl::StatusOr<Holder> holder = call.kind == Kind::kClaim ? Claim(call.lease) : Read();
      absl::MutexLock lock(&mutex_);
      return core_.OnHolder(SteadyNow(), holder);
    }
    case Kind::kRevoke: {
      // If that fails the lease ends by itself.
      client_.RevokeLease(call.lease, kTimeout).IgnoreError();
      absl::MutexLock lock(&mutex_);
      return core_.OnRevoked(SteadyNow());
    }
    case Kind::kNone:
      return;
  }
}

EtcdElection::Impl::Holder EtcdElection::Impl::HolderIn(const etcdserverpb::RangeResponse& range) {
  if (range.kvs_size() == 0) return absl::nullopt;
  const etcdserverpb::KeyValue& kv = range.kvs(0);
  return ElectionHolder{kv.value(), kv.lease(), static_cast<uint64_t>(kv.create_revision())};
}

absl::StatusOr<EtcdElection::Impl::Holder> EtcdElection::Impl::Read() {
  etcdserverpb::RangeRequest request;
  request.set_key(key_);
  const absl::StatusOr<etcdserverpb::RangeResponse> reply = client_.Range(request, kTimeout);
  if (!reply.ok()) return reply.status();
  return HolderIn(*reply);
}

absl::StatusOr<EtcdElection::Impl::Holder> EtcdElection::Impl::Claim(int64_t lease) {
  etcdserverpb::TxnRequest request;
  *request.add_compare() = etcd::CreateIs(key_, 0);
  etcdserverpb::RequestOp* put = request.add_success();
  *put = etcd::PutOf(key_, options_.address);
  put->mutable_request_put()->set_lease(lease);
  *request.add_success() = etcd::GetOf(key_);
  *request.add_failure() = etcd::GetOf(key_);
  const absl::StatusOr<etcdserverpb::TxnResponse> reply = client_.Txn(request, kTimeout);
  if (!reply.ok()) return reply.status();
  if (reply->responses_size() == 0) return Holder();
  return HolderIn(reply->responses(reply->responses_size() - 1).response_range());
}

void EtcdElection::Impl::Tell() {
  for (;;) {
    ElectionNews news;
    {
      absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(this, &Impl::HasNews));
      if (stopping_) return;
      news = std::move(news_.front());
      news_.pop_front();
    }
    TellOne(news);
  }
}

void EtcdElection::Impl::TellOne(const ElectionNews& news) {
  switch (news.kind) {
    case ElectionNews::Kind::kElected:
      if (callbacks_.elected) callbacks_.elected(news.fence);
      return;
    case ElectionNews::Kind::kLost:
      if (callbacks_.lost) callbacks_.lost(news.text);
      return;
    case ElectionNews::Kind::kMoved:
      if (callbacks_.moved) callbacks_.moved(news.text);
      return;
  }
}

void EtcdElection::Impl::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    if (stopping_) return;
    stopping_ = true;
  }
  client_.CancelCalls();
  if (caller_.joinable()) caller_.join();
  if (teller_.joinable()) teller_.join();
  int64_t lease = 0;
  {
    absl::MutexLock lock(&mutex_);
    lease = core_.lease();
  }
  // Else others would wait for its end.
  if (lease != 0) client_.RevokeLease(lease, kGoodbyeTimeout).IgnoreError();
}

EtcdElection::EtcdElection(EtcdAddress etcd, ElectionOptions options)
    : impl_(std::make_unique<Impl>(std::move(etcd), std::move(options))) {}

EtcdElection::~EtcdElection() { impl_->Stop(); }

void EtcdElection::Start(ElectionCallbacks callbacks) { impl_->Start(std::move(callbacks)); }

std::string EtcdElection::coordinator() const { return impl_->coordinator(); }

void EtcdElection::Resign(absl::string_view why) { impl_->Resign(why); }

void EtcdElection::BeginAnew(absl::string_view why) { impl_->BeginAnew(why); }

void EtcdElection::Stop() { impl_->Stop(); }

}  // namespace paceline
