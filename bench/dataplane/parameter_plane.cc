#include "bench/dataplane/parameter_plane.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "client/parameter_transport.h"
#include "common/base/check.h"
#include "common/job/partitioning.h"
#include "common/net/transport.h"
#include "common/tensor/block.h"
#include "proto/control.pb.h"
#include "proto/parameter.pb.h"
#include "server/partition/partition_host.h"
#include "server/service/parameter_service.h"
#include "server/service/stream_service.h"

namespace paceline::bench {
namespace {

constexpr size_t kPartitionBytesMax = kPartitionElementsMax * sizeof(float);

// Messages above a partition's size go to as many partitions of one job as they fill, all at once,
// as a worker's do.
size_t PartBytes(size_t message_bytes) { return std::min(message_bytes, kPartitionBytesMax); }
size_t PartsOf(size_t message_bytes) { return message_bytes / PartBytes(message_bytes); }

std::string JobName(const std::string& rule, size_t message_bytes, size_t place) {
  return absl::StrCat(rule, "-", message_bytes, "-", place);
}

void SetRule(const std::string& rule, v1::OptimizerSpec* optimizer) {
  if (rule == "adam") {
    optimizer->mutable_adam()->set_learning_rate(0.001f);
    optimizer->mutable_adam()->set_beta1(0.9f);
    optimizer->mutable_adam()->set_beta2(0.999f);
    optimizer->mutable_adam()->set_epsilon(1e-8f);
  } else {
    optimizer->mutable_sgd()->set_learning_rate(0.001f);
  }
  optimizer->set_weight_decay(0);
  optimizer->mutable_schedule()->set_warmup_steps(0);
  optimizer->mutable_schedule()->mutable_constant();
}

v1::JobDirective DirectiveOf(const std::string& rule, size_t message_bytes, size_t place) {
  v1::JobDirective directive;
  directive.set_job(JobName(rule, message_bytes, place));
  directive.set_state(v1::RUNNING);
  v1::ParameterSpec* const parameter = directive.mutable_spec()->mutable_model()->add_parameters();
  parameter->set_name("p");
  parameter->add_shape(message_bytes / sizeof(float));
  SetRule(rule, directive.mutable_spec()->mutable_optimizer());
  directive.mutable_spec()->mutable_fleet()->set_servers(1);
  directive.mutable_segment()->mutable_consistency()->mutable_async();
  directive.mutable_roster()->set_version(1);
  for (size_t part = 0; part < PartsOf(message_bytes); ++part) {
    v1::PartitionPlacement* const placement = directive.add_placement();
    placement->set_partition(static_cast<uint32_t>(part));
    placement->set_term(1);
    placement->set_server("s1");
    placement->set_server_incarnation(1);
  }
  return directive;
}

v1::ServerSyncReply AllJobs(const std::vector<size_t>& message_bytes) {
  v1::ServerSyncReply reply;
  reply.mutable_server()->set_id("s1");
  reply.mutable_server()->set_incarnation(1);
  reply.set_changed(true);
  for (const char* rule : kRules) {
    for (const size_t bytes : message_bytes) {
      for (size_t place = 0; place < PlacesOf(bytes); ++place) {
        *reply.add_jobs() = DirectiveOf(rule, bytes, place);
      }
    }
  }
  return reply;
}

double ThreadCpuSeconds() {
  timespec time = {};
  PACELINE_CHECK(::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time) == 0);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

v1::PushHeader PushOf(const std::string& job, size_t part, const std::string& worker,
                      uint64_t clock) {
  v1::PushHeader push;
  push.mutable_key()->set_job(job);
  push.mutable_key()->set_partition(static_cast<uint32_t>(part));
  push.mutable_key()->set_term(1);
  push.mutable_worker()->set_id(worker);
  push.mutable_worker()->set_incarnation(1);
  push.set_clock(clock);
  push.set_dtype(v1::FLOAT32);
  push.add_pieces()->set_weight(1);
  return push;
}

class ParameterPlane final : public Plane {
 public:
  ParameterPlane(uint16_t port, std::string rule)
      : address_(absl::StrCat("127.0.0.1:", port)),
        rule_(std::move(rule)),
        gradient_(MakeGradient()),
        transport_([this](uint64_t id, CallResult result) { OnDone(id, std::move(result)); }) {}

  Work Run(const Load& load) override {
    {
      absl::MutexLock lock(&mutex_);
      load_ = load;
      work_ = Work();
      begin_ = absl::Now();
      slots_.assign(static_cast<size_t>(load.window), Slot());
      running_ = slots_.size();
    }
    for (size_t slot = 0; slot < static_cast<size_t>(load.window); ++slot) Send(slot);
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(
        +[](size_t* running) { return *running == 0; }, &running_));
    work_.seconds = absl::ToDoubleSeconds(absl::Now() - begin_);
    work_.bytes = static_cast<double>(work_.messages * load.message_bytes) *
                  (load.operation == Operation::kExchange ? 2 : 1);
    return work_;
  }

 private:
  struct Slot {
    size_t parts_left = 0;
    absl::Time sent;
  };

  static BlockRef MakeGradient() {
    auto block = std::make_shared<Block>(kStoreBytes / sizeof(float));
    std::fill(block->floats().begin(), block->floats().end(), 0.001f);
    return block;
  }

  ParameterCall CallOf(const Load& load, size_t slot, uint64_t number, size_t part) const {
    const size_t place = number % PlacesOf(load.message_bytes);
    ParameterCall call;
    call.address = address_;
    call.timeout = absl::Seconds(30);
    call.elements = PartBytes(load.message_bytes) / sizeof(float);
    call.offset = place * load.message_bytes / sizeof(float) + part * call.elements;
    call.push = PushOf(JobName(rule_, load.message_bytes, place), part, absl::StrCat("w", slot),
                       number + 1);
    if (load.operation == Operation::kPull) {
      call.method = Method::kPull;
      call.pull.mutable_key()->Swap(call.push.mutable_key());
      call.pull.mutable_worker()->Swap(call.push.mutable_worker());
      return call;
    }
    call.method = load.operation == Operation::kPush ? Method::kPush : Method::kExchange;
    call.piece_gradients = {gradient_};
    return call;
  }

  void Send(size_t slot) ABSL_LOCKS_EXCLUDED(mutex_) {
    std::vector<ParameterCall> calls;
    {
      absl::MutexLock lock(&mutex_);
      const uint64_t number = next_message_++;
      slots_[slot].sent = absl::Now();
      slots_[slot].parts_left = PartsOf(load_.message_bytes);
      for (size_t part = 0; part < slots_[slot].parts_left; ++part) {
        calls.push_back(CallOf(load_, slot, number, part));
        // The slot can be told from the id.
        calls.back().id = next_id_++ * kSlotsMax + slot;
      }
    }
    for (ParameterCall& call : calls) transport_.Start(std::move(call));
  }

  void OnDone(uint64_t id, CallResult result) ABSL_LOCKS_EXCLUDED(mutex_) {
    if (!result.status.ok() || result.header.duplicate()) {
      std::fprintf(stderr, "call %llu: %s\n", static_cast<unsigned long long>(id),
                   result.status.ToString().c_str());
      std::_Exit(1);
    }
    const size_t slot = id % kSlotsMax;
    {
      absl::MutexLock lock(&mutex_);
      if (--slots_[slot].parts_left > 0) return;
      ++work_.messages;
      const absl::Time now = absl::Now();
      if (load_.wants_latencies) {
        work_.latencies_us.push_back(absl::ToDoubleMicroseconds(now - slots_[slot].sent));
      }
      if (now - begin_ >= load_.at_least) {
        --running_;
        return;
      }
    }
    Send(slot);
  }

  static constexpr uint64_t kSlotsMax = 1024;

  const std::string address_;
  const std::string rule_;
  const BlockRef gradient_;
  absl::Mutex mutex_;
  Load load_ ABSL_GUARDED_BY(mutex_);
  Work work_ ABSL_GUARDED_BY(mutex_);
  absl::Time begin_ ABSL_GUARDED_BY(mutex_);
  std::vector<Slot> slots_ ABSL_GUARDED_BY(mutex_);
  size_t running_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t next_message_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t next_id_ ABSL_GUARDED_BY(mutex_) = 1;
  ParameterTransport transport_;  // Last: its calls end in OnDone.
};

}  // namespace

double ApplySecondsPerGb(const std::string& rule) {
  constexpr int kPasses = 4;
  PartitionHost host({}, [](const Answer& answer) { PACELINE_CHECK(answer.status.ok()); });
  v1::ServerSyncReply reply = AllJobs({});
  *reply.add_jobs() = DirectiveOf(rule, kStoreBytes, 0);
  host.OnDirectives(absl::Now(), reply);
  const std::string job = JobName(rule, kStoreBytes, 0);
  const size_t parts = PartsOf(kStoreBytes);
  double seconds = 0;
  for (uint64_t pass = 0; pass <= kPasses; ++pass) {  // The first warms up.
    for (size_t part = 0; part < parts; ++part) {
      auto gradients = std::make_shared<Block>(kPartitionElementsMax);
      std::fill(gradients->floats().begin(), gradients->floats().end(), 0.001f);
      const double begin = ThreadCpuSeconds();
      host.OnPush(absl::Now(), 1, PushOf(job, part, "w", pass + 1), std::move(gradients), false);
      if (pass > 0) seconds += ThreadCpuSeconds() - begin;
    }
  }
  return seconds / (kPasses * static_cast<double>(kStoreBytes) / 1e9);
}

void ServeParameters(const std::vector<size_t>& message_bytes,
                     const std::function<void(uint16_t port)>& announce,
                     const std::function<void()>& wait) {
  ParameterService parameters(
      {}, [] {}, [](ReplicaCall) { PACELINE_CHECK(false); });
  parameters.host()->OnDirectives(absl::Now(), AllJobs(message_bytes));
  StreamService streams({parameters.streamed()});
  // As server/server.cc does: what a server has beside its services takes part in polling, too.
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  SetUpServer(&builder);
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(parameters.service());
  builder.RegisterService(streams.service());
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  PACELINE_CHECK(server != nullptr && port != 0);
  announce(static_cast<uint16_t>(port));
  wait();
  parameters.Stop();
  streams.Stop();
  server->Shutdown(absl::ToChronoTime(absl::Now()));
}

std::unique_ptr<Plane> ConnectParameters(uint16_t port, const std::string& rule) {
  return std::make_unique<ParameterPlane>(port, rule);
}

}  // namespace paceline::bench
