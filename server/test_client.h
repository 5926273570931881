// A library client of one job, on nothing but generated stubs.
#ifndef PACELINE_SERVER_TEST_CLIENT_H_
#define PACELINE_SERVER_TEST_CLIENT_H_

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "common/base/version.h"
#include "common/net/transport.h"
#include "proto/control.grpc.pb.h"
#include "proto/parameter.grpc.pb.h"

namespace paceline {

using Floats = std::vector<float>;

inline void SetDeadline(grpc::ClientContext* context, absl::Duration patience = absl::Seconds(10)) {
  context->set_deadline(absl::ToChronoTime(absl::Now() + patience));
}

class TestClient {
 public:
  TestClient(const std::string& address, const std::string& id) {
    channel_ = MakeChannel(address);
    control_ = v1::ControlService::NewStub(channel_);
    parameters_ = v1::ParameterService::NewStub(channel_);
    identity_.set_id(id);
  }

  // Submits, joins, and waits until the job's one partition answers.
  void Run(const v1::JobSpec& spec) {
    v1::SubmitJobRequest request;
    *request.mutable_spec() = spec;
    request.set_submission_id("test-" + spec.name());
    v1::SubmitJobReply reply;
    grpc::ClientContext context;
    SetDeadline(&context);
    const grpc::Status status = control_->SubmitJob(&context, request, &reply);
    INFO(status.error_message());
    REQUIRE(status.ok());
    Join(reply.job());
  }

  void Join(const std::string& job) {
    key_.set_job(job);
    const absl::Time give_up = absl::Now() + absl::Seconds(20);
    Floats ignored;
    do {
      REQUIRE(absl::Now() < give_up);
      Sync();
    } while (!placed_ || !Pull(&ignored).ok());
  }

  // Waits an interval at most; learns the partition's term and address.
  void Sync() {
    v1::WorkerSyncRequest request;
    *request.mutable_worker() = identity_;
    request.set_release(kRelease);
    request.set_host("here");
    request.set_pid(1);
    request.set_known_version(known_version_);
    request.set_join_job(key_.job());
    v1::WorkerSyncReply reply;
    grpc::ClientContext context;
    SetDeadline(&context);
    const grpc::Status status = control_->WorkerSync(&context, request, &reply);
    INFO(status.error_message());
    REQUIRE(status.ok());
    identity_ = reply.worker();
    known_version_ = reply.version();
    for (const v1::JobDirective& job : reply.jobs()) Follow(job);
  }

  v1::PushFrame Frame(uint64_t clock, const Floats& gradient) const {
    v1::PushFrame frame;
    v1::PushHeader* header = frame.mutable_header();
    *header->mutable_key() = key_;
    *header->mutable_worker() = identity_;
    header->set_clock(clock);
    header->set_dtype(v1::FLOAT32);
    header->add_pieces()->set_weight(1);
    frame.set_gradients(gradient.data(), gradient.size() * sizeof(float));
    return frame;
  }

  grpc::Status Push(const v1::PushFrame& frame, v1::ParametersHeader* header) {
    v1::ParametersFrame reply;
    grpc::ClientContext context;
    SetDeadline(&context);
    const grpc::Status status = parameters_->Push(&context, frame, &reply);
    CHECK(reply.parameters().empty());
    *header = reply.header();
    return status;
  }

  grpc::Status Exchange(const v1::PushFrame& frame, Floats* values) {
    v1::ParametersFrame reply;
    grpc::ClientContext context;
    SetDeadline(&context);
    const grpc::Status status = parameters_->Exchange(&context, frame, &reply);
    *values = Values(reply);
    return status;
  }

  grpc::Status Pull(Floats* values, absl::Duration patience = absl::Seconds(10),
                    uint64_t exact_version = 0) {
    v1::PullRequest request;
    *request.mutable_key() = key_;
    *request.mutable_worker() = identity_;
    if (exact_version > 0) request.set_exact_version(exact_version);
    v1::ParametersFrame reply;
    grpc::ClientContext context;
    SetDeadline(&context, patience);
    const grpc::Status status = parameters_->Pull(&context, request, &reply);
    *values = Values(reply);
    version_ = reply.header().version();
    return status;
  }

  v1::FleetStatus Fleet() {
    v1::FleetStatus fleet;
    grpc::ClientContext context;
    SetDeadline(&context);
    context.set_wait_for_ready(true);
    REQUIRE(control_->DescribeFleet(&context, {}, &fleet).ok());
    return fleet;
  }

  // Parked calls of the job, as its server last reported them.
  int Waits() {
    v1::DescribeJobRequest request;
    request.set_job(key_.job());
    v1::JobStatus job;
    grpc::ClientContext context;
    SetDeadline(&context);
    if (!control_->DescribeJob(&context, request, &job).ok()) return 0;
    return job.partitions_size() == 0 ? 0 : job.partitions(0).waits_size();
  }

  const std::string& job() const { return key_.job(); }
  v1::PartitionKey* key() { return &key_; }
  uint64_t version() const { return version_; }  // Of the last Pull.
  std::shared_ptr<grpc::Channel> channel() const { return channel_; }

 private:
  static Floats Values(const v1::ParametersFrame& frame) {
    Floats values(frame.parameters().size() / sizeof(float));
    std::copy(frame.parameters().begin(), frame.parameters().end(),
              reinterpret_cast<char*>(values.data()));
    return values;
  }

  void Follow(const v1::JobDirective& job) {
    if (job.job() != key_.job() || job.placement_size() == 0) return;
    key_.set_term(job.placement(0).term());
    key_.set_segment(job.segment().index());
    parameters_ = v1::ParameterService::NewStub(MakeChannel(job.placement(0).address()));
    placed_ = true;
  }

  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::ControlService::Stub> control_;
  std::unique_ptr<v1::ParameterService::Stub> parameters_;
  v1::WorkerIdentity identity_;
  v1::PartitionKey key_;
  uint64_t known_version_ = 0;
  uint64_t version_ = 0;
  bool placed_ = false;
};

}  // namespace paceline

#endif  // PACELINE_SERVER_TEST_CLIENT_H_
