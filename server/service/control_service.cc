#include "server/service/control_service.h"

#include <grpcpp/support/server_callback.h>

#include <algorithm>
#include <cstdint>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/net/grpc_status.h"
#include "proto/control.grpc.pb.h"
#include "server/service/pending_calls.h"

namespace paceline {
namespace {

// A coordinator that has just ticked is left alone for this long.
constexpr absl::Duration kTickSpacing = absl::Milliseconds(1);

}  // namespace

class ControlService::Transport final : public v1::ControlService::CallbackService {
 public:
  explicit Transport(std::unique_ptr<Coordinator> coordinator)
      : coordinator_(std::move(coordinator)), ticker_([this] { Tick(); }) {}

  ~Transport() override { Stop(); }

  void Stop() ABSL_LOCKS_EXCLUDED(mutex_);

  grpc::ServerUnaryReactor* WorkerSync(grpc::CallbackServerContext*,
                                       const v1::WorkerSyncRequest* request,
                                       v1::WorkerSyncReply* reply) override {
    return Begin(*request, reply, &Coordinator::OnWorkerSync);
  }
  grpc::ServerUnaryReactor* ServerSync(grpc::CallbackServerContext*,
                                       const v1::ServerSyncRequest* request,
                                       v1::ServerSyncReply* reply) override {
    return Begin(*request, reply, &Coordinator::OnServerSync);
  }
  grpc::ServerUnaryReactor* LeaseRuns(grpc::CallbackServerContext*, const v1::LeaseRequest* request,
                                      v1::LeaseReply* reply) override {
    return Begin(*request, reply, &Coordinator::OnLeaseRuns);
  }
  grpc::ServerUnaryReactor* SubmitJob(grpc::CallbackServerContext*,
                                      const v1::SubmitJobRequest* request,
                                      v1::SubmitJobReply* reply) override {
    return Begin(*request, reply, &Coordinator::OnSubmitJob);
  }
  grpc::ServerUnaryReactor* DescribeJob(grpc::CallbackServerContext*,
                                        const v1::DescribeJobRequest* request,
                                        v1::JobStatus* reply) override {
    return Begin(*request, reply, &Coordinator::OnDescribeJob);
  }
  grpc::ServerUnaryReactor* ListJobs(grpc::CallbackServerContext*,
                                     const v1::ListJobsRequest* request,
                                     v1::ListJobsReply* reply) override {
    return Begin(*request, reply, &Coordinator::OnListJobs);
  }
  grpc::ServerUnaryReactor* CancelJob(grpc::CallbackServerContext*,
                                      const v1::CancelJobRequest* request,
                                      v1::CancelJobReply* reply) override {
    return Begin(*request, reply, &Coordinator::OnCancelJob);
  }
  grpc::ServerUnaryReactor* SetConsistency(grpc::CallbackServerContext*,
                                           const v1::SetConsistencyRequest* request,
                                           v1::SetConsistencyReply* reply) override {
    return Begin(*request, reply, &Coordinator::OnSetConsistency);
  }
  grpc::ServerUnaryReactor* ListEvents(grpc::CallbackServerContext*,
                                       const v1::ListEventsRequest* request,
                                       v1::ListEventsReply* reply) override {
    return Begin(*request, reply, &Coordinator::OnListEvents);
  }
  grpc::ServerUnaryReactor* DescribeFleet(grpc::CallbackServerContext*,
                                          const v1::DescribeFleetRequest* request,
                                          v1::FleetStatus* reply) override {
    return Begin(*request, reply, &Coordinator::OnDescribeFleet);
  }

 private:
  // One call, from its request to its answer. gRPC runs OnCancel and OnDone only after the method
  // that returned the reactor is over.
  class Call : public grpc::ServerUnaryReactor {
   public:
    explicit Call(Transport* transport) : transport_(transport) {}

    // From here on another thread may answer it. 0: too late, it is not registered.
    uint64_t Register() { return number_ = transport_->calls_.Add(this); }
    virtual void Answered(Reply reply) = 0;

    void OnCancel() override { transport_->Cancel(number_); }
    void OnDone() override { delete this; }

   private:
    Transport* const transport_;
    uint64_t number_ = 0;
  };

  template <typename Message>
  class TypedCall final : public Call {
   public:
    TypedCall(Transport* transport, Message* message) : Call(transport), message_(message) {}

    void Answered(Reply reply) override {
      if (reply.status.ok()) {
        Message* const answer = std::get_if<Message>(&reply.message);
        PACELINE_CHECK(answer != nullptr);
        *message_ = std::move(*answer);
      }
      this->Finish(ToGrpcStatus(reply.status));
    }

   private:
    Message* const message_;
  };

  static Reply Refusal(uint64_t number, absl::Status status) {
    Reply reply;
    reply.call = number;
    reply.status = std::move(status);
    return reply;
  }
  static absl::Status Stopping() {
    return absl::UnavailableError("this coordinator is shutting down; retry, it is safe");
  }

  template <typename Request, typename Message>
  grpc::ServerUnaryReactor* Begin(const Request& request, Message* message,
                                  void (Coordinator::*handle)(absl::Time, uint64_t, const Request&))
      ABSL_LOCKS_EXCLUDED(mutex_) {
    Call* const call = new TypedCall<Message>(this, message);  // OnDone deletes it.
    const uint64_t number = call->Register();
    if (number == 0) {
      call->Answered(Refusal(0, Stopping()));
      return call;
    }
    std::vector<Reply> replies;
    {
      absl::MutexLock lock(&mutex_);
      (coordinator_.get()->*handle)(SteadyNow(), number, request);
      replies = TakeRepliesLocked();
    }
    Deliver(std::move(replies));
    return call;
  }

  // What has become ready; the ticker learns when to tick next.
  std::vector<Reply> TakeRepliesLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const absl::Time next = coordinator_->NextTick();
    if (next < next_tick_) tick_moved_.Signal();
    next_tick_ = next;
    return coordinator_->TakeReplies();
  }

  void Deliver(std::vector<Reply> replies) {
    for (Reply& reply : replies) {
      if (Call* const call = calls_.Take(reply.call)) call->Answered(std::move(reply));
    }
  }

  void Cancel(uint64_t number) ABSL_LOCKS_EXCLUDED(mutex_) {
    {
      absl::MutexLock lock(&mutex_);
      coordinator_->OnCancel(number);
    }
    Call* const call = calls_.Take(number);
    if (call != nullptr) call->Answered(Refusal(number, absl::CancelledError("caller went away")));
  }

  void Tick() ABSL_LOCKS_EXCLUDED(mutex_);

  PendingCalls<Call> calls_;

  absl::Mutex mutex_;
  absl::CondVar tick_moved_;  // With mutex_: next_tick_ is earlier now, or stopping_ is set.
  const std::unique_ptr<Coordinator> coordinator_ ABSL_PT_GUARDED_BY(mutex_);
  absl::Time next_tick_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;

  std::thread ticker_;  // Joined by the first Stop.
};

void ControlService::Transport::Tick() {
  for (;;) {
    std::vector<Reply> replies;
    {
      absl::MutexLock lock(&mutex_);
      while (!stopping_ && SteadyNow() < next_tick_) {
        tick_moved_.WaitWithTimeout(&mutex_, next_tick_ - SteadyNow());
      }
      if (stopping_) return;
      const absl::Time now = SteadyNow();
      coordinator_->OnTick(now);
      replies = TakeRepliesLocked();
      next_tick_ = std::max(next_tick_, now + kTickSpacing);
    }
    Deliver(std::move(replies));
  }
}

void ControlService::Transport::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
    tick_moved_.Signal();
  }
  if (ticker_.joinable()) ticker_.join();
  for (uint64_t number : calls_.Stop()) {
    {
      absl::MutexLock lock(&mutex_);
      coordinator_->OnCancel(number);
    }
    if (Call* const call = calls_.Take(number)) call->Answered(Refusal(number, Stopping()));
  }
}

ControlService::ControlService(std::unique_ptr<Coordinator> coordinator)
    : transport_(std::make_unique<Transport>(std::move(coordinator))) {}

ControlService::~ControlService() = default;

grpc::Service* ControlService::service() { return transport_.get(); }

void ControlService::Stop() { transport_->Stop(); }

}  // namespace paceline
