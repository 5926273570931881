#include "tests/sim/operators.h"

#include <utility>

namespace paceline::sim {
namespace {

constexpr absl::Duration kTimeout = absl::Seconds(2);
constexpr absl::Duration kRetry = absl::Milliseconds(200);

}  // namespace

Operators::Operators(const World* world, Seen seen, Gone gone)
    : world_(*world),
      seen_(std::move(seen)),
      gone_(std::move(gone)),
      client_("client", world->queue),
      control_(&client_, &world->hosts, world->coordinators) {}

void Operators::Begin() {
  client_.Start();
  EventQueue* const queue = world_.queue;
  for (const ModeChange& change : world_.scenario->mode_changes) {
    queue->At(queue->start() + change.when, [this, change] { Change(change.consistency); });
  }
  for (const AdminOrder& order : world_.scenario->orders) {
    queue->At(queue->start() + order.when, [this, order] { Give(order); });
  }
  for (const absl::Duration when : world_.scenario->checkpoint_orders) {
    queue->At(queue->start() + when, [this] { TakeCheckpoint(); });
  }
  if (world_.scenario->is_cancelled()) {
    queue->At(queue->start() + world_.scenario->cancel, [this] { Cancel(); });
  }
  Submit();
}

void Operators::Submit() {
  v1::SubmitJobRequest request;
  *request.mutable_spec() = world_.scenario->spec;
  request.set_submission_id("once");
  control_.Call<v1::SubmitJobRequest, v1::SubmitJobReply>(
      kTimeout, &Coordinator::OnSubmitJob, request,
      [this](const absl::Status& status, const v1::SubmitJobReply* reply) {
        if (reply != nullptr) {
          job_ = reply->job();
          return Watch();
        }
        if (absl::IsInvalidArgument(status)) world_.oracle->Fail(status.ToString());
        client_.After(kRetry, [this] { Submit(); });
      });
}

void Operators::Watch() {
  v1::DescribeJobRequest request;
  request.set_job(job_);
  control_.Call<v1::DescribeJobRequest, v1::JobStatus>(
      kTimeout, &Coordinator::OnDescribeJob, request,
      [this](const absl::Status& status, const v1::JobStatus* job) {
        if (job != nullptr) seen_(*job);
        if (absl::IsNotFound(status)) gone_();
        client_.After(kRetry, [this] { Watch(); });
      });
}

template <typename Request, typename Answer>
void Operators::Insist(void (Coordinator::*method)(absl::Time, uint64_t, const Request&),
                       const Request& request) {
  control_.Call<Request, Answer>(
      kTimeout, method, request,
      [this, method, request](const absl::Status& status, const Answer* answer) {
        world_.queue->Trace("order ", request.ShortDebugString(), ": ", status.ToString(), " ",
                            answer == nullptr ? "" : answer->ShortDebugString());
        if (!absl::IsUnavailable(status) && !absl::IsDeadlineExceeded(status)) return;
        client_.After(kRetry,
                      [this, method, request] { Insist<Request, Answer>(method, request); });
      });
}

void Operators::Change(const v1::ConsistencySpec& consistency) {
  v1::SetConsistencyRequest request;
  request.set_job(job_);
  *request.mutable_consistency() = consistency;
  Insist<v1::SetConsistencyRequest, v1::SetConsistencyReply>(&Coordinator::OnSetConsistency,
                                                             request);
}

void Operators::TakeCheckpoint() {
  v1::TakeCheckpointRequest request;
  request.set_job(job_);
  Insist<v1::TakeCheckpointRequest, v1::TakeCheckpointReply>(&Coordinator::OnTakeCheckpoint,
                                                             request);
}

void Operators::Cancel() {
  // Not submitted yet.
  if (job_.empty()) return client_.After(kRetry, [this] { Cancel(); });
  world_.oracle->OnJobCancelled();
  v1::CancelJobRequest request;
  request.set_job(job_);
  Insist<v1::CancelJobRequest, v1::CancelJobReply>(&Coordinator::OnCancelJob, request);
}

void Operators::Give(const AdminOrder& order) {
  if (order.kind == AdminOrder::Kind::kRebalance) {
    return Insist<v1::RebalanceRequest, v1::RebalanceReply>(&Coordinator::OnRebalance, {});
  }
  if (order.kind == AdminOrder::Kind::kScale) {
    v1::ScaleJobRequest request;
    request.set_job(job_);
    if (order.workers > 0) request.set_workers(order.workers);
    if (order.replicas > 0) request.set_replicas(order.replicas);
    if (order.min_in_sync > 0) request.set_min_in_sync(order.min_in_sync);
    return Insist<v1::ScaleJobRequest, v1::ScaleJobReply>(&Coordinator::OnScaleJob, request);
  }
  v1::DrainServerRequest request;
  request.set_server(order.server);
  request.set_cancel(order.kind == AdminOrder::Kind::kCancelDrain);
  Insist<v1::DrainServerRequest, v1::DrainServerReply>(&Coordinator::OnDrainServer, request);
}

}  // namespace paceline::sim
