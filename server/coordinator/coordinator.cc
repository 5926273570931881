#include "server/coordinator/coordinator.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "server/coordinator/fleet.h"

namespace paceline {

Coordinator::Coordinator(std::unique_ptr<Fleet> fleet) : fleet_(std::move(fleet)) {}

Coordinator::~Coordinator() = default;

absl::StatusOr<std::unique_ptr<Coordinator>> Coordinator::Create(CoordinatorOptions options,
                                                                 Store* store, absl::Time now) {
  if (options.release.empty()) {
    return absl::InvalidArgumentError("coordinator: release is empty");
  }
  if (options.sync_interval < absl::Milliseconds(1) || options.lease <= options.sync_interval) {
    return absl::InvalidArgumentError(
        absl::StrCat("coordinator: lease is ", absl::FormatDuration(options.lease),
                     " and sync_interval ", absl::FormatDuration(options.sync_interval),
                     "; wanted a lease longer than the interval, and that at least 1ms"));
  }
  if (options.suspect_lease <= absl::ZeroDuration()) {
    return absl::InvalidArgumentError(
        absl::StrCat("coordinator: suspect_lease is ", absl::FormatDuration(options.suspect_lease),
                     "; wanted more than 0"));
  }
  ASSIGN_OR_RETURN(Records records, Records::Load(store));
  auto fleet = std::make_unique<Fleet>(std::move(options), std::move(records), now);
  return std::unique_ptr<Coordinator>(new Coordinator(std::move(fleet)));
}

void Coordinator::OnWorkerSync(absl::Time now, uint64_t call,
                               const v1::WorkerSyncRequest& request) {
  fleet_->OnWorkerSync(now, call, request);
}

void Coordinator::OnServerSync(absl::Time now, uint64_t call,
                               const v1::ServerSyncRequest& request) {
  fleet_->OnServerSync(now, call, request);
}

void Coordinator::OnLeaseRuns(absl::Time now, uint64_t call, const v1::LeaseRequest& request) {
  fleet_->OnLeaseRuns(now, call, request);
}

void Coordinator::OnSubmitJob(absl::Time now, uint64_t call, const v1::SubmitJobRequest& request) {
  fleet_->OnSubmitJob(now, call, request);
}

void Coordinator::OnDescribeJob(absl::Time now, uint64_t call,
                                const v1::DescribeJobRequest& request) {
  fleet_->OnDescribeJob(now, call, request);
}

void Coordinator::OnListJobs(absl::Time now, uint64_t call, const v1::ListJobsRequest&) {
  fleet_->OnListJobs(now, call);
}

void Coordinator::OnCancelJob(absl::Time now, uint64_t call, const v1::CancelJobRequest& request) {
  fleet_->OnCancelJob(now, call, request);
}

void Coordinator::OnSetConsistency(absl::Time now, uint64_t call,
                                   const v1::SetConsistencyRequest& request) {
  fleet_->OnSetConsistency(now, call, request);
}

void Coordinator::OnListEvents(absl::Time now, uint64_t call,
                               const v1::ListEventsRequest& request) {
  fleet_->OnListEvents(now, call, request);
}

void Coordinator::OnDescribeFleet(absl::Time now, uint64_t call, const v1::DescribeFleetRequest&) {
  fleet_->OnDescribeFleet(now, call);
}

void Coordinator::OnDrainServer(absl::Time now, uint64_t call,
                                const v1::DrainServerRequest& request) {
  fleet_->OnDrainServer(now, call, request);
}

void Coordinator::OnRebalance(absl::Time now, uint64_t call, const v1::RebalanceRequest& request) {
  fleet_->OnRebalance(now, call, request);
}

void Coordinator::OnScaleJob(absl::Time now, uint64_t call, const v1::ScaleJobRequest& request) {
  fleet_->OnScaleJob(now, call, request);
}

void Coordinator::OnTakeCheckpoint(absl::Time now, uint64_t call,
                                   const v1::TakeCheckpointRequest& request) {
  fleet_->OnTakeCheckpoint(now, call, request);
}

void Coordinator::OnCancel(uint64_t call) { fleet_->OnCancel(call); }

void Coordinator::OnTick(absl::Time now) { fleet_->OnTick(now); }

absl::Time Coordinator::NextTick() const { return fleet_->NextTick(); }

std::vector<Reply> Coordinator::TakeReplies() { return fleet_->TakeReplies(); }

}  // namespace paceline
