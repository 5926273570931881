#include "worker/agent/job_runner.h"

#include <deque>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "client/control_client.h"
#include "client/parameter_transport.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "worker/agent/trainer.h"
#include "worker/loop/job_loop.h"

namespace paceline {
namespace {

// Longer than the coordinator parks a question for a lease.
constexpr absl::Duration kLeaseTimeout = absl::Seconds(5);

JobLoopOptions LoopOptions(const v1::WorkerIdentity& worker) {
  JobLoopOptions options;
  options.session.seed = worker.incarnation();  // Workers that fail together retry apart.
  return options;
}

}  // namespace

class JobRunner::Impl {
 public:
  Impl(const v1::WorkerIdentity& worker, const v1::JobDirective& first,
       const std::string& coordinator, Logger* logger, JobRunnerOptions options)
      : worker_(worker),
        job_(first.job()),
        logger_(logger),
        options_(options),
        loop_(worker, LoopOptions(worker)),
        transport_([this](uint64_t id, CallResult result) {
          Post([id, result = std::move(result)](JobLoop* loop, absl::Time now) {
            loop->OnCallDone(now, id, result);
          });
        }),
        control_(coordinator) {
    OnDirective(first);
    Schedule([this, spec = first.spec()] { Prepare(spec); });
    event_thread_ = std::thread([this] { RunEvents(); });
    number_thread_ = std::thread([this] { RunNumbers(); });
  }

  ~Impl() {
    {
      absl::MutexLock lock(&mutex_);
      stopping_ = true;
    }
    // A question for a lease may be parked, or the coordinator may be away.
    control_.Stop();
    event_thread_.join();
    number_thread_.join();
    // Answers may still come in, and are left in the queue.
  }

  void OnDirective(const v1::JobDirective& directive) {
    Post([directive](JobLoop* loop, absl::Time now) { loop->OnDirective(now, directive); });
  }

  void OnReported(const v1::WorkerJobReport& report) {
    Post([report](JobLoop* loop, absl::Time) { loop->OnReported(report); });
  }

  v1::WorkerJobReport Report() const {
    absl::MutexLock lock(&mutex_);
    v1::WorkerJobReport report = report_;
    report.set_job(job_);
    if (facts_.has_value()) *report.mutable_facts() = *facts_;
    if (!error_.empty()) report.set_error(error_);
    return report;
  }

 private:
  using Event = std::function<void(JobLoop* loop, absl::Time now)>;

  void Post(Event event) {
    absl::MutexLock lock(&mutex_);
    events_.push_back(std::move(event));
  }

  void Schedule(std::function<void()> task) {
    absl::MutexLock lock(&mutex_);
    tasks_.push_back(std::move(task));
  }

  // The only thread that touches loop_.
  void RunEvents() {
    absl::Time next_tick = absl::InfiniteFuture();
    while (true) {
      std::deque<Event> events;
      {
        absl::MutexLock lock(&mutex_);
        // The cores' clock is steady; the distance to the next tick is what counts.
        mutex_.AwaitWithTimeout(absl::Condition(this, &Impl::HasEvent), next_tick - SteadyNow());
        if (stopping_) break;
        events.swap(events_);
      }
      const absl::Time now = SteadyNow();
      for (Event& event : events) event(&loop_, now);
      if (now >= next_tick) loop_.OnTick(now);
      Perform();
      Publish(now);
      next_tick = loop_.NextTick();
    }
  }

  bool HasEvent() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return stopping_ || !events_.empty();
  }

  // The loop's effects.
  void Perform() {
    for (const uint64_t id : loop_.TakeCancels()) transport_.Cancel(id);
    for (ParameterCall& call : loop_.TakeCalls()) transport_.Start(std::move(call));
    if (const auto id = loop_.TakeAbandoned(); id.has_value()) {
      absl::MutexLock lock(&mutex_);
      abandoned_ = *id;
    }
    if (auto compute = loop_.TakeCompute(); compute.has_value()) {
      Schedule([this, request = *std::move(compute)] { Compute(request); });
    }
    if (auto evaluate = loop_.TakeEvaluate(); evaluate.has_value()) {
      Schedule([this, request = *std::move(evaluate)] { Evaluate(request); });
    }
    if (auto lease = loop_.TakeLease(); lease.has_value()) Lease(*lease);
  }

  void Publish(absl::Time now) {
    v1::WorkerJobReport report = loop_.Report(now);
    absl::MutexLock lock(&mutex_);
    report_ = std::move(report);
  }

  void Lease(const LeaseCall& call) {
    v1::LeaseRequest request;
    request.set_job(job_);
    *request.mutable_worker() = worker_;
    request.set_segment(call.segment);
    request.set_want(call.want);
    control_.LeaseRuns(
        request, kLeaseTimeout, [this, id = call.id](const absl::StatusOr<v1::LeaseReply>& reply) {
          Post([id, reply](JobLoop* loop, absl::Time now) { loop->OnLease(now, id, reply); });
        });
  }

  void RunNumbers() {
    while (true) {
      std::function<void()> task;
      {
        absl::MutexLock lock(&mutex_);
        mutex_.Await(absl::Condition(
            +[](Impl* self) ABSL_NO_THREAD_SAFETY_ANALYSIS {
              return self->stopping_ || !self->tasks_.empty();
            },
            this));
        if (stopping_) return;
        task = std::move(tasks_.front());
        tasks_.pop_front();
      }
      task();
    }
  }

  void Prepare(const v1::JobSpec& spec) {
    auto trainer = Trainer::Create(spec, worker_.id(), options_.backend);
    if (trainer.ok()) {
      logger_->Log(LogLevel::kInfo, "data read",
                   {{"job", job_},
                    {"samples", (*trainer)->facts().train_samples()},
                    {"backend", (*trainer)->facts().kernel_signature()}});
    } else {
      logger_->Log(LogLevel::kError, "cannot work on this job",
                   {{"job", job_}, {"error", std::string(trainer.status().message())}});
    }
    {
      absl::MutexLock lock(&mutex_);
      if (trainer.ok()) {
        facts_ = (*trainer)->facts();
      } else {
        error_ = std::string(trainer.status().message());
      }
    }
    if (trainer.ok()) {
      trainer_ = *std::move(trainer);
    } else {
      trainer_error_ = trainer.status();
    }
  }

  void Compute(const ComputeRequest& request) {
    absl::Time begin = SteadyNow();
    absl::StatusOr<std::vector<ComputedPiece>> pieces = trainer_error_;
    uint64_t samples = 0;
    // A slow machine is slow at each data shard.
    const auto go_on = [&] {
      Dawdle(SteadyNow() - begin);
      begin = SteadyNow();
      return !IsAbandoned(request.id);
    };
    if (trainer_ != nullptr) pieces = trainer_->Compute(request, go_on, &samples);
    if (!go_on() || absl::IsCancelled(pieces.status())) {
      Post([id = request.id, samples](JobLoop* loop, absl::Time now) {
        loop->OnAbandoned(now, id, samples);
      });
      return;
    }
    Post([id = request.id, pieces](JobLoop* loop, absl::Time now) {
      loop->OnComputed(now, id, pieces);
    });
  }

  bool IsAbandoned(uint64_t compute) const {
    absl::MutexLock lock(&mutex_);
    return abandoned_ == compute;
  }

  void Evaluate(const EvaluateRequest& request) {
    absl::StatusOr<v1::Evaluation> evaluation = trainer_error_;
    if (trainer_ != nullptr) evaluation = trainer_->Evaluate(request);
    Post([id = request.id, evaluation](JobLoop* loop, absl::Time now) {
      loop->OnEvaluated(now, id, evaluation);
    });
  }

  // Makes what took `spent` take slowdown times as long, unless we are stopping.
  void Dawdle(absl::Duration spent) {
    if (options_.slowdown <= 1) return;
    absl::MutexLock lock(&mutex_);
    mutex_.AwaitWithTimeout(absl::Condition(&stopping_), spent * (options_.slowdown - 1));
  }

  const v1::WorkerIdentity worker_;
  const std::string job_;
  Logger* const logger_;
  const JobRunnerOptions options_;

  mutable absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::deque<Event> events_ ABSL_GUARDED_BY(mutex_);
  std::deque<std::function<void()>> tasks_ ABSL_GUARDED_BY(mutex_);
  uint64_t abandoned_ ABSL_GUARDED_BY(mutex_) = 0;  // The newest ComputeRequest that was.
  v1::WorkerJobReport report_ ABSL_GUARDED_BY(mutex_);
  std::optional<v1::DatasetFacts> facts_ ABSL_GUARDED_BY(mutex_);
  std::string error_ ABSL_GUARDED_BY(mutex_);

  // Of the event thread.
  JobLoop loop_;

  // Of the number thread.
  absl::Status trainer_error_ = absl::FailedPreconditionError("the data have not been read");
  std::unique_ptr<Trainer> trainer_;

  std::thread event_thread_;
  std::thread number_thread_;

  // Last: their destructors wait for calls that end in Post.
  ParameterTransport transport_;
  ControlClient control_;  // Its own, to stop it alone.
};

JobRunner::JobRunner(const v1::WorkerIdentity& worker, const v1::JobDirective& first,
                     const std::string& coordinator, Logger* logger, JobRunnerOptions options)
    : impl_(std::make_unique<Impl>(worker, first, coordinator, logger, options)) {}
JobRunner::~JobRunner() = default;
void JobRunner::OnDirective(const v1::JobDirective& directive) { impl_->OnDirective(directive); }
void JobRunner::OnReported(const v1::WorkerJobReport& report) { impl_->OnReported(report); }
v1::WorkerJobReport JobRunner::Report() const { return impl_->Report(); }

}  // namespace paceline
