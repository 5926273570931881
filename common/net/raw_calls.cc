#include "common/net/raw_calls.h"

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/generic/generic_stub.h>

#include <map>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/net/grpc_status.h"

namespace paceline {
namespace {

// A connection that nobody has used for this long is closed.
constexpr absl::Duration kIdle = absl::Minutes(1);

}  // namespace

class RawCalls::Impl {
 public:
  explicit Impl(Connect connect) : connect_(std::move(connect)) {}

  void Start(RawCall call, Done done) ABSL_LOCKS_EXCLUDED(mutex_) {
    auto running = std::make_shared<Running>();
    running->request.Swap(&call.request);
    running->context.set_deadline(absl::ToChronoTime(absl::Now() + call.timeout));
    const absl::Time now = SteadyNow();
    std::vector<Peer> idle;  // They close when no lock is held.
    {
      absl::MutexLock lock(&mutex_);
      if (stopped_) return;
      PACELINE_CHECK(running_.emplace(call.id, running).second);
      idle = TakeIdleLocked(now);
      running->stub = StubLocked(call.address, now);
    }
    running->stub->UnaryCall(
        &running->context, call.method, grpc::StubOptions(), &running->request, &running->reply,
        [this, id = call.id, running, done = std::move(done)](grpc::Status status) {
          done(FromGrpcStatus(status), running->reply);
          absl::MutexLock lock(&mutex_);  // Last: Stop waits for it.
          running_.erase(id);
        });
  }

  void Cancel(uint64_t id) ABSL_LOCKS_EXCLUDED(mutex_) {
    std::shared_ptr<Running> running;
    {
      absl::MutexLock lock(&mutex_);
      const auto found = running_.find(id);
      if (found == running_.end()) return;
      running = found->second;
    }
    running->context.TryCancel();
  }

  void Stop() ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    stopped_ = true;
    for (auto& [id, call] : running_) call->context.TryCancel();
    mutex_.Await(absl::Condition(
        +[](std::map<uint64_t, std::shared_ptr<Running>>* running) { return running->empty(); },
        &running_));
  }

 private:
  struct Running {
    grpc::ClientContext context;
    grpc::ByteBuffer request;
    grpc::ByteBuffer reply;
    std::shared_ptr<grpc::GenericStub> stub;
  };
  struct Peer {
    std::shared_ptr<grpc::GenericStub> stub;
    absl::Time last_used;
  };

  std::shared_ptr<grpc::GenericStub> StubLocked(const std::string& address, absl::Time now)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    Peer& peer = peers_[address];
    if (peer.stub == nullptr) peer.stub = std::make_shared<grpc::GenericStub>(connect_(address));
    peer.last_used = now;
    return peer.stub;
  }

  std::vector<Peer> TakeIdleLocked(absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    std::vector<Peer> idle;
    if (now < next_sweep_) return idle;
    next_sweep_ = now + kIdle;
    for (auto it = peers_.begin(); it != peers_.end();) {
      const bool is_idle = it->second.last_used + kIdle < now;
      if (is_idle) idle.push_back(std::move(it->second));
      it = is_idle ? peers_.erase(it) : std::next(it);
    }
    return idle;
  }

  const Connect connect_;
  absl::Mutex mutex_;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Time next_sweep_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  std::map<std::string, Peer> peers_ ABSL_GUARDED_BY(mutex_);
  std::map<uint64_t, std::shared_ptr<Running>> running_ ABSL_GUARDED_BY(mutex_);
};

RawCalls::RawCalls(Connect connect) : impl_(std::make_unique<Impl>(std::move(connect))) {}
RawCalls::~RawCalls() { impl_->Stop(); }

void RawCalls::Start(RawCall call, Done done) { impl_->Start(std::move(call), std::move(done)); }
void RawCalls::Cancel(uint64_t id) { impl_->Cancel(id); }
void RawCalls::Stop() { impl_->Stop(); }

}  // namespace paceline
