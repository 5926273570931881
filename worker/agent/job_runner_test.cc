#include "worker/agent/job_runner.h"

#include <grpcpp/grpcpp.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "proto/control.grpc.pb.h"

namespace paceline {
namespace {

// Takes a question for a lease and never answers, as a coordinator that has been stopped.
class SilentCoordinator : public v1::ControlService::CallbackService {
 public:
  SilentCoordinator() {
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
    address_ = absl::StrCat("127.0.0.1:", port);
  }
  ~SilentCoordinator() override { server_->Shutdown(); }

  const std::string& address() const { return address_; }

  absl::Notification asked;
  absl::Notification cancelled;
  bool before_deadline = false;  // Once cancelled.

 private:
  class Silence : public grpc::ServerUnaryReactor {
   public:
    Silence(SilentCoordinator* owner, std::chrono::system_clock::time_point deadline)
        : owner_(owner), deadline_(deadline) {}
    void OnCancel() override {
      if (!owner_->cancelled.HasBeenNotified()) {
        owner_->before_deadline = std::chrono::system_clock::now() < deadline_;
        owner_->cancelled.Notify();
      }
      Finish(grpc::Status::CANCELLED);
    }
    void OnDone() override { delete this; }

   private:
    SilentCoordinator* const owner_;
    const std::chrono::system_clock::time_point deadline_;
  };

  grpc::ServerUnaryReactor* LeaseRuns(grpc::CallbackServerContext* context, const v1::LeaseRequest*,
                                      v1::LeaseReply*) override {
    auto* silence = new Silence(this, context->deadline());
    if (!asked.HasBeenNotified()) asked.Notify();
    return silence;
  }

  std::string address_;
  std::unique_ptr<grpc::Server> server_;
};

v1::WorkerIdentity Worker() {
  v1::WorkerIdentity worker;
  worker.set_id("w1");
  worker.set_incarnation(7);
  return worker;
}

// A job of 20 parameters on a server that is not there, whose data are not there either.
v1::JobDirective AsyncJob() {
  v1::JobDirective job;
  job.set_job("toy-1");
  job.set_state(v1::RUNNING);
  v1::JobSpec* const spec = job.mutable_spec();
  v1::ParameterSpec* const parameter = spec->mutable_model()->add_parameters();
  parameter->set_name("a");
  parameter->add_shape(20);
  spec->mutable_fleet()->set_servers(1);
  spec->mutable_data()->set_shard_samples(1);
  spec->mutable_train()->set_epochs(1);
  spec->mutable_train()->set_shards_per_push(1);
  job.mutable_facts()->set_train_samples(10);
  job.mutable_segment()->mutable_consistency()->mutable_async();
  *job.mutable_roster()->add_members()->mutable_worker() = Worker();
  v1::PartitionPlacement* const place = job.add_placement();
  place->set_term(1);
  place->set_address("127.0.0.1:1");
  return job;
}

TEST_CASE("a runner that ends does not wait for the answer to its question for a lease") {
  SilentCoordinator coordinator;
  LogOptions log;
  log.level = LogLevel::kError;
  const auto logger = Logger::Create(log);
  REQUIRE(logger.ok());
  auto runner = std::make_unique<JobRunner>(Worker(), AsyncJob(), coordinator.address(),
                                            logger->get(), JobRunnerOptions());
  coordinator.asked.WaitForNotification();

  runner.reset();

  coordinator.cancelled.WaitForNotification();
  CHECK(coordinator.before_deadline);
}

}  // namespace
}  // namespace paceline
