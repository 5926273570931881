#include "server/service/control_service.h"

#include <grpcpp/support/server_callback.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/net/coordinator_choice.h"
#include "common/net/grpc_status.h"
#include "proto/control.grpc.pb.h"
#include "server/service/pending_calls.h"

namespace paceline {
namespace {

// A coordinator that has just ticked is left alone for this long.
constexpr absl::Duration kTickSpacing = absl::Milliseconds(1);

// Calls of this process itself, which no peer's call can have.
constexpr uint64_t kOwnCall = std::numeric_limits<uint64_t>::max();

}  // namespace

class ControlService::Transport final : public v1::ControlService::CallbackService {
 public:
  explicit Transport(Options options)
      : options_(std::move(options)),
        ticker_([this] { Tick(); }),
        canceller_([this] { Cancel(); }) {}

  ~Transport() override { Stop(); }

  void Install(std::unique_ptr<Coordinator> coordinator) ABSL_LOCKS_EXCLUDED(mutex_);
  std::unique_ptr<Coordinator> Remove() ABSL_LOCKS_EXCLUDED(mutex_);
  bool Describe(v1::FleetStatus* fleet, v1::ListJobsReply* jobs) ABSL_LOCKS_EXCLUDED(mutex_);
  void Stop() ABSL_LOCKS_EXCLUDED(mutex_);

  grpc::ServerUnaryReactor* WorkerSync(grpc::CallbackServerContext* context,
                                       const v1::WorkerSyncRequest* request,
                                       v1::WorkerSyncReply* reply) override {
    return Begin(context, *request, reply, &Coordinator::OnWorkerSync);
  }
  grpc::ServerUnaryReactor* ServerSync(grpc::CallbackServerContext* context,
                                       const v1::ServerSyncRequest* request,
                                       v1::ServerSyncReply* reply) override {
    return Begin(context, *request, reply, &Coordinator::OnServerSync);
  }
  grpc::ServerUnaryReactor* LeaseRuns(grpc::CallbackServerContext* context,
                                      const v1::LeaseRequest* request,
                                      v1::LeaseReply* reply) override {
    return Begin(context, *request, reply, &Coordinator::OnLeaseRuns);
  }
  grpc::ServerUnaryReactor* SubmitJob(grpc::CallbackServerContext* context,
                                      const v1::SubmitJobRequest* request,
                                      v1::SubmitJobReply* reply) override {
    return Begin(context, *request, reply, &Coordinator::OnSubmitJob);
  }
  grpc::ServerUnaryReactor* DescribeJob(grpc::CallbackServerContext* context,
                                        const v1::DescribeJobRequest* request,
                                        v1::JobStatus* reply) override {
    return Begin(context, *request, reply, &Coordinator::OnDescribeJob);
  }
  grpc::ServerUnaryReactor* ListJobs(grpc::CallbackServerContext* context,
                                     const v1::ListJobsRequest* request,
                                     v1::ListJobsReply* reply) override {
    return Begin(context, *request, reply, &Coordinator::OnListJobs);
  }
  grpc::ServerUnaryReactor* CancelJob(grpc::CallbackServerContext* context,
                                      const v1::CancelJobRequest* request,
                                      v1::CancelJobReply* reply) override {
    return Begin(context, *request, reply, &Coordinator::OnCancelJob);
  }
  grpc::ServerUnaryReactor* SetConsistency(grpc::CallbackServerContext* context,
                                           const v1::SetConsistencyRequest* request,
                                           v1::SetConsistencyReply* reply) override {
    return Begin(context, *request, reply, &Coordinator::OnSetConsistency);
  }
  grpc::ServerUnaryReactor* ListEvents(grpc::CallbackServerContext* context,
                                       const v1::ListEventsRequest* request,
                                       v1::ListEventsReply* reply) override {
    return Begin(context, *request, reply, &Coordinator::OnListEvents);
  }
  grpc::ServerUnaryReactor* DescribeFleet(grpc::CallbackServerContext* context,
                                          const v1::DescribeFleetRequest* request,
                                          v1::FleetStatus* reply) override {
    return Begin(context, *request, reply, &Coordinator::OnDescribeFleet);
  }
  grpc::ServerUnaryReactor* DrainServer(grpc::CallbackServerContext* context,
                                        const v1::DrainServerRequest* request,
                                        v1::DrainServerReply* reply) override {
    return Begin(context, *request, reply, &Coordinator::OnDrainServer);
  }
  grpc::ServerUnaryReactor* Rebalance(grpc::CallbackServerContext* context,
                                      const v1::RebalanceRequest* request,
                                      v1::RebalanceReply* reply) override {
    return Begin(context, *request, reply, &Coordinator::OnRebalance);
  }
  grpc::ServerUnaryReactor* ScaleJob(grpc::CallbackServerContext* context,
                                     const v1::ScaleJobRequest* request,
                                     v1::ScaleJobReply* reply) override {
    return Begin(context, *request, reply, &Coordinator::OnScaleJob);
  }
  grpc::ServerUnaryReactor* TakeCheckpoint(grpc::CallbackServerContext* context,
                                           const v1::TakeCheckpointRequest* request,
                                           v1::TakeCheckpointReply* reply) override {
    return Begin(context, *request, reply, &Coordinator::OnTakeCheckpoint);
  }

 private:
  // One call, from its request to its answer. gRPC runs OnCancel and OnDone only after the method
  // that returned the reactor is over.
  class Call : public grpc::ServerUnaryReactor {
   public:
    Call(Transport* transport, grpc::CallbackServerContext* context)
        : transport_(transport), context_(context) {}

    // From here on another thread may answer it. 0: too late, it is not registered.
    uint64_t Register() { return number_ = transport_->calls_.Add(this); }
    virtual void Answered(Reply reply) = 0;

    // Of no coordinator; `coordinator` is where one may be.
    void Refuse(const absl::Status& status, const std::string& coordinator) {
      context_->AddTrailingMetadata(kCoordinatorKey, coordinator);
      Finish(ToGrpcStatus(status));
    }

    void OnCancel() override { transport_->Cancelled(number_); }
    void OnDone() override { delete this; }

   protected:
    Transport* const transport_;
    grpc::CallbackServerContext* const context_;

   private:
    uint64_t number_ = 0;
  };

  template <typename Message>
  class TypedCall final : public Call {
   public:
    TypedCall(Transport* transport, grpc::CallbackServerContext* context, Message* message)
        : Call(transport, context), message_(message) {}

    void Answered(Reply reply) override {
      if (reply.status.ok()) {
        Message* const answer = std::get_if<Message>(&reply.message);
        PACELINE_CHECK(answer != nullptr);
        *message_ = std::move(*answer);
        this->transport_->Complete(message_);
      } else if (absl::IsUnavailable(reply.status)) {
        this->context_->AddTrailingMetadata(kCoordinatorKey, kCoordinatorHere);
      }
      this->Finish(ToGrpcStatus(reply.status));
    }

   private:
    Message* const message_;
  };

  static absl::Status Stopping() {
    return absl::UnavailableError("this coordinator is shutting down; retry, it is safe");
  }

  template <typename Request, typename Message>
  grpc::ServerUnaryReactor* Begin(grpc::CallbackServerContext* context, const Request& request,
                                  Message* message,
                                  void (Coordinator::*handle)(absl::Time, uint64_t, const Request&))
      ABSL_LOCKS_EXCLUDED(mutex_) {
    Call* const call = new TypedCall<Message>(this, context, message);  // OnDone deletes it.
    std::vector<Reply> replies;
    bool is_parked = false;
    bool is_stopping = false;
    {
      absl::MutexLock lock(&mutex_);
      is_stopping = stopping_;
      // Under the lock: whoever takes the coordinator out finds every call that it has.
      const uint64_t number = coordinator_ == nullptr || stopping_ ? 0 : call->Register();
      is_parked = number > 0;
      if (is_parked) {
        (coordinator_.get()->*handle)(SteadyNow(), number, request);
        replies = TakeRepliesLocked();
      }
    }
    if (is_stopping) {
      call->Finish(ToGrpcStatus(Stopping()));
    } else if (!is_parked) {
      RefuseWithout(call);
    }
    Deliver(std::move(replies));
    return call;
  }

  // There is no coordinator here.
  void RefuseWithout(Call* call) {
    std::string coordinator = options_.coordinator();
    if (coordinator == options_.address()) coordinator.clear();  // It is about to be.
    const std::string where =
        coordinator.empty() ? "none is known yet" : absl::StrCat("ask ", coordinator);
    call->Refuse(
        absl::UnavailableError(absl::StrCat("this server is not the coordinator; ", where)),
        coordinator);
  }

  // What a coordinator does not know.
  template <typename Message>
  void Complete(Message*) {}
  void Complete(v1::FleetStatus* fleet) { fleet->set_coordinator(options_.coordinator()); }

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

  // gRPC says so on a thread that its other work waits for, the store's calls among it: it must not
  // wait for whoever has the coordinator, who may wait for the store.
  void Cancelled(uint64_t number) ABSL_LOCKS_EXCLUDED(cancel_mutex_) {
    absl::MutexLock lock(&cancel_mutex_);
    cancelled_.push_back(number);
    cancel_moved_.Signal();
  }

  void Cancel() ABSL_LOCKS_EXCLUDED(mutex_, cancel_mutex_);
  void Tick() ABSL_LOCKS_EXCLUDED(mutex_);

  const Options options_;
  PendingCalls<Call> calls_;

  absl::Mutex mutex_;
  absl::CondVar tick_moved_;  // With mutex_: next_tick_ is earlier now, or stopping_ is set.
  std::unique_ptr<Coordinator> coordinator_ ABSL_GUARDED_BY(mutex_);  // Null: none is here.
  absl::Time next_tick_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteFuture();
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;

  absl::Mutex cancel_mutex_;
  absl::CondVar cancel_moved_;                                      // With cancel_mutex_.
  std::vector<uint64_t> cancelled_ ABSL_GUARDED_BY(cancel_mutex_);  // Calls whose caller went.
  bool ends_ ABSL_GUARDED_BY(cancel_mutex_) = false;

  std::thread ticker_;     // Joined by the first Stop, as
  std::thread canceller_;  // this one.
};

void ControlService::Transport::Cancel() {
  for (;;) {
    std::vector<uint64_t> numbers;
    {
      absl::MutexLock lock(&cancel_mutex_);
      while (!ends_ && cancelled_.empty()) cancel_moved_.Wait(&cancel_mutex_);
      if (ends_) return;  // Stop answers what is left.
      numbers.swap(cancelled_);
    }
    for (const uint64_t number : numbers) {
      {
        absl::MutexLock lock(&mutex_);
        if (coordinator_ != nullptr) coordinator_->OnCancel(number);
      }
      Call* const call = calls_.Take(number);
      if (call != nullptr) call->Finish(ToGrpcStatus(absl::CancelledError("caller went away")));
    }
  }
}

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

void ControlService::Transport::Install(std::unique_ptr<Coordinator> coordinator) {
  absl::MutexLock lock(&mutex_);
  PACELINE_CHECK(coordinator_ == nullptr);
  coordinator_ = std::move(coordinator);
  next_tick_ = absl::InfinitePast();
  tick_moved_.Signal();
}

std::unique_ptr<Coordinator> ControlService::Transport::Remove() {
  std::unique_ptr<Coordinator> coordinator;
  std::vector<uint64_t> numbers;
  {
    absl::MutexLock lock(&mutex_);
    coordinator = std::move(coordinator_);
    next_tick_ = absl::InfiniteFuture();
    numbers = calls_.Numbers();
  }
  for (uint64_t number : numbers) {
    if (Call* const call = calls_.Take(number)) RefuseWithout(call);
  }
  return coordinator;
}

bool ControlService::Transport::Describe(v1::FleetStatus* fleet, v1::ListJobsReply* jobs) {
  std::vector<Reply> replies;
  {
    absl::MutexLock lock(&mutex_);
    if (coordinator_ == nullptr || stopping_) return false;
    coordinator_->OnDescribeFleet(SteadyNow(), kOwnCall, {});
    coordinator_->OnListJobs(SteadyNow(), kOwnCall, {});
    replies = TakeRepliesLocked();
  }
  for (Reply& reply : replies) {
    if (reply.call != kOwnCall) continue;
    if (auto* const status = std::get_if<v1::FleetStatus>(&reply.message)) {
      *fleet = std::move(*status);
      Complete(fleet);
    } else if (auto* const list = std::get_if<v1::ListJobsReply>(&reply.message)) {
      *jobs = std::move(*list);
    }
  }
  Deliver(std::move(replies));
  return true;
}

void ControlService::Transport::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
    tick_moved_.Signal();
  }
  {
    absl::MutexLock lock(&cancel_mutex_);
    ends_ = true;
    cancel_moved_.Signal();
  }
  if (ticker_.joinable()) ticker_.join();
  if (canceller_.joinable()) canceller_.join();
  for (uint64_t number : calls_.Stop()) {
    {
      absl::MutexLock lock(&mutex_);
      if (coordinator_ != nullptr) coordinator_->OnCancel(number);
    }
    if (Call* const call = calls_.Take(number)) call->Finish(ToGrpcStatus(Stopping()));
  }
}

ControlService::ControlService(Options options)
    : transport_(std::make_unique<Transport>(std::move(options))) {}

ControlService::~ControlService() = default;

void ControlService::Install(std::unique_ptr<Coordinator> coordinator) {
  transport_->Install(std::move(coordinator));
}

std::unique_ptr<Coordinator> ControlService::Remove() { return transport_->Remove(); }

grpc::Service* ControlService::service() { return transport_.get(); }

bool ControlService::Describe(v1::FleetStatus* fleet, v1::ListJobsReply* jobs) {
  return transport_->Describe(fleet, jobs);
}

void ControlService::Stop() { transport_->Stop(); }

}  // namespace paceline
