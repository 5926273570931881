#include "client/parameter_client.h"

#include <unistd.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "client/control_client.h"
#include "client/parameter_transport.h"
#include "client/session.h"
#include "common/base/clock.h"
#include "common/base/status_macros.h"
#include "common/base/version.h"
#include "common/job/job_work.h"
#include "common/tensor/square_sum.h"

namespace paceline {
namespace {

constexpr absl::Duration kCallTimeout = absl::Seconds(5);
constexpr absl::Duration kRetry = absl::Milliseconds(100);
// How long a reader that waits for an answer trusts that the partitions are still where they were.
constexpr absl::Duration kLookUp = absl::Milliseconds(500);

v1::JobDirective DirectiveOf(const v1::JobStatus& job) {
  v1::JobDirective directive;
  directive.set_job(job.job());
  *directive.mutable_spec() = job.spec();
  *directive.mutable_facts() = job.facts();
  directive.set_state(job.state());
  *directive.mutable_segment() = job.segment();
  *directive.mutable_roster() = job.roster();
  *directive.mutable_placement() = job.placement();
  return directive;
}

}  // namespace

class ParameterClient::Impl {
 public:
  explicit Impl(ParameterClientOptions options)
      : options_(std::move(options)),
        control_(options_.coordinator),
        transport_([this](uint64_t id, CallResult result) {
          Post([id, result = std::move(result)](Impl* self, absl::Time now) {
            self->OnCallDone(now, id, result);
          });
        }) {}

  ~Impl() {
    {
      absl::MutexLock lock(&mutex_);
      stopping_ = true;
    }
    if (sync_thread_.joinable()) sync_thread_.join();
  }

  absl::Status Join() {
    v1::WorkerSyncRequest request = SyncRequest();
    ASSIGN_OR_RETURN(v1::WorkerSyncReply reply, control_.WorkerSync(request, kCallTimeout));
    worker_ = reply.worker();
    is_joined_ = true;
    MakeSession();
    Take(reply);
    sync_thread_ = std::thread([this] { KeepInSync(); });
    return WaitUntilReady();
  }

  absl::Status Open() {
    worker_.set_id(options_.id);
    MakeSession();
    const absl::Time end = SteadyNow() + options_.ready_timeout;
    while (true) {
      ASSIGN_OR_RETURN(const std::string reason, LookUp());
      if (session_->ready()) return absl::OkStatus();
      if (SteadyNow() > end) return NotReady(reason);
      absl::MutexLock lock(&mutex_);
      mutex_.AwaitWithTimeout(absl::Condition(&stopping_), kRetry);
    }
  }

  const std::vector<ParameterInfo>& parameters() const { return parameters_; }
  uint64_t elements() const {
    return parameters_.empty() ? 0 : parameters_.back().offset + parameters_.back().elements;
  }
  uint64_t version() const { return versions_.empty() ? 0 : versions_.front(); }

  absl::StatusOr<std::vector<float>> Pull() {
    PullArgs args;
    args.clock = clock_;
    args.consistent = has_rounds_;
    session_->BeginPull(SteadyNow(), args);
    return Finish();
  }

  absl::StatusOr<std::vector<float>> Send(absl::Span<const float> gradient, bool want_parameters) {
    if (gradient.size() != elements()) {
      return absl::InvalidArgumentError(absl::StrCat("the gradient has ", gradient.size(),
                                                     " elements; the job has ", elements()));
    }
    if (versions_.empty()) {
      return absl::FailedPreconditionError("pull before the first push: a push names its version");
    }
    auto block = std::make_shared<Block>(gradient.size());
    std::copy(gradient.begin(), gradient.end(), block->floats().begin());
    ExchangeArgs args;
    args.clock = clock_;
    args.base_versions = versions_;
    args.want_parameters = want_parameters;
    args.square_norm = SquareSum(gradient);
    GradientPiece piece;
    piece.gradient = std::move(block);
    piece.piece.set_weight(1);
    piece.piece.set_samples(1);
    args.pieces.push_back(std::move(piece));
    session_->BeginExchange(SteadyNow(), std::move(args));
    auto parameters = Finish();
    if (parameters.ok()) ++clock_;
    return parameters;
  }

 private:
  using Event = std::function<void(Impl* self, absl::Time now)>;

  absl::Status NotReady(const std::string& reason) const {
    return absl::DeadlineExceededError(absl::StrCat(
        "job ", options_.job, " has no parameters after ",
        absl::FormatDuration(options_.ready_timeout), reason.empty() ? "" : ": ", reason));
  }

  // Asks where the job's partitions are. The job's reason to be in its state.
  absl::StatusOr<std::string> LookUp() {
    v1::DescribeJobRequest request;
    request.set_job(options_.job);
    ASSIGN_OR_RETURN(const v1::JobStatus job, control_.DescribeJob(request, kCallTimeout));
    RETURN_IF_ERROR(OnDirective(SteadyNow(), DirectiveOf(job)));
    return job.reason();
  }

  void MakeSession() {
    SessionOptions options;
    options.seed = worker_.incarnation();
    session_ = std::make_unique<Session>(worker_, options);
  }

  v1::WorkerSyncRequest SyncRequest() {
    v1::WorkerSyncRequest request;
    *request.mutable_worker() = worker_;
    request.mutable_worker()->set_id(options_.id);
    request.set_release(kRelease);
    request.set_pid(static_cast<uint64_t>(::getpid()));
    request.set_known_version(known_version_);
    request.set_join_job(options_.job);
    v1::WorkerJobReport* report = request.add_jobs();
    report->set_job(options_.job);
    absl::MutexLock lock(&mutex_);
    report->set_clock(reported_clock_);
    return request;
  }

  void Post(Event event) {
    absl::MutexLock lock(&mutex_);
    events_.push_back(std::move(event));
  }

  void Take(const v1::WorkerSyncReply& reply) {
    if (!reply.changed()) return;
    known_version_ = reply.version();
    for (const v1::JobDirective& directive : reply.jobs()) {
      if (directive.job() != options_.job) continue;
      Post([directive](Impl* self, absl::Time now) {
        self->error_ = self->OnDirective(now, directive);
      });
    }
  }

  // The sync thread: renews the lease and brings directives, until the client is destroyed.
  void KeepInSync() {
    while (true) {
      v1::WorkerSyncRequest request = SyncRequest();
      {
        absl::MutexLock lock(&mutex_);
        request.set_leaving(stopping_);
      }
      const auto reply = control_.WorkerSync(request, kCallTimeout);
      if (request.leaving()) return;
      if (reply.ok()) {
        Take(*reply);
        continue;
      }
      if (absl::IsFailedPrecondition(reply.status())) {
        // Pushes under this incarnation are refused from now on: the caller must join anew.
        Post([status = reply.status()](Impl* self, absl::Time) {
          self->error_ = absl::CancelledError(absl::StrCat(
              "this client's lease is over; join again: ", std::string(status.message())));
        });
        return;
      }
      absl::MutexLock lock(&mutex_);
      mutex_.AwaitWithTimeout(absl::Condition(&stopping_), kRetry);
    }
  }

  absl::Status OnDirective(absl::Time now, const v1::JobDirective& directive) {
    if (session_->router().IsPast(directive)) return absl::OkStatus();
    RETURN_IF_ERROR(session_->OnDirective(now, directive));
    has_rounds_ = HasRounds(directive.segment().consistency());
    for (const v1::RosterMember& member : directive.roster().members()) {
      if (member.worker().id() == worker_.id()) clock_ = std::max(clock_, member.start_clock());
    }
    if (parameters_.empty() && session_->ready()) {
      ASSIGN_OR_RETURN(parameters_, ParametersOf(directive.spec(), directive.facts()));
    }
    return absl::OkStatus();
  }

  void Start(ParameterCall call) {
    if (options_.on_call != nullptr) traced_.emplace(call.id, std::pair(call, SteadyNow()));
    transport_.Start(std::move(call));
  }

  void OnCallDone(absl::Time now, uint64_t id, const CallResult& result) {
    const auto traced = traced_.find(id);
    if (traced != traced_.end()) {
      options_.on_call({traced->second.first, result, traced->second.second, now});
      traced_.erase(traced);
    }
    session_->OnCallDone(now, id, result);
  }

  // Handles events until `done` or `end`.
  template <typename Done>
  bool Pump(const Done& done, absl::Time end) {
    while (!done()) {
      std::deque<Event> events;
      for (const uint64_t id : session_->TakeCancels()) transport_.Cancel(id);
      for (ParameterCall& call : session_->TakeCalls()) Start(std::move(call));
      const absl::Time next = std::min(session_->NextTick(), end);
      {
        absl::MutexLock lock(&mutex_);
        mutex_.AwaitWithTimeout(
            absl::Condition(
                +[](std::deque<Event>* queue) { return !queue->empty(); }, &events_),
            next - SteadyNow());
        events.swap(events_);
      }
      const absl::Time now = SteadyNow();
      for (Event& event : events) event(this, now);
      session_->OnTick(now);
      if (now >= end && !done()) return false;
    }
    return true;
  }

  absl::Status WaitUntilReady() {
    const bool ready = Pump([this] { return session_->ready() || !error_.ok(); },
                            SteadyNow() + options_.ready_timeout);
    RETURN_IF_ERROR(error_);
    return ready ? absl::OkStatus() : NotReady("");
  }

  absl::StatusOr<std::vector<float>> Finish() {
    std::optional<OperationResult> result;
    const auto done = [&] {
      if (!result.has_value()) result = session_->TakeResult();
      return result.has_value() || !error_.ok();
    };
    if (is_joined_) {
      Pump(done, absl::InfiniteFuture());
    } else {
      // A reader that has not joined is told of no change: it asks.
      const absl::Time end = SteadyNow() + options_.ready_timeout;
      while (!Pump(done, std::min(end, SteadyNow() + kLookUp)) && SteadyNow() < end) {
        LookUp().status().IgnoreError();  // Until `end` it may come back.
      }
    }
    if (!result.has_value()) {
      session_->Abandon();
      return !error_.ok() ? error_
                          : absl::DeadlineExceededError(absl::StrCat(
                                "job ", options_.job, " has not answered for ",
                                absl::FormatDuration(options_.ready_timeout)));
    }
    RETURN_IF_ERROR(result->status);
    versions_ = result->versions;
    {
      absl::MutexLock lock(&mutex_);
      reported_clock_ = clock_;
    }
    if (result->parameters == nullptr) return std::vector<float>();
    const auto floats = result->parameters->floats();
    return std::vector<float>(floats.begin(), floats.end());
  }

  const ParameterClientOptions options_;
  ControlClient control_;
  v1::WorkerIdentity worker_;
  uint64_t known_version_ = 0;  // Of the sync thread once it runs.

  // Of the calling thread.
  std::unique_ptr<Session> session_;
  std::vector<ParameterInfo> parameters_;
  std::vector<uint64_t> versions_;
  bool is_joined_ = false;
  bool has_rounds_ = false;
  uint64_t clock_ = 0;
  absl::Status error_;
  // Calls under way and when they were sent, if anybody wants to know.
  std::map<uint64_t, std::pair<ParameterCall, absl::Time>> traced_;

  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  uint64_t reported_clock_ ABSL_GUARDED_BY(mutex_) = 0;
  std::deque<Event> events_ ABSL_GUARDED_BY(mutex_);

  std::thread sync_thread_;

  // Last: its destructor waits for calls that end in Post.
  ParameterTransport transport_;
};

ParameterClient::ParameterClient(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ParameterClient::~ParameterClient() = default;

absl::StatusOr<std::unique_ptr<ParameterClient>> ParameterClient::Join(
    ParameterClientOptions options) {
  auto impl = std::make_unique<Impl>(std::move(options));
  RETURN_IF_ERROR(impl->Join());
  return std::unique_ptr<ParameterClient>(new ParameterClient(std::move(impl)));
}

absl::StatusOr<std::unique_ptr<ParameterClient>> ParameterClient::Open(
    ParameterClientOptions options) {
  auto impl = std::make_unique<Impl>(std::move(options));
  RETURN_IF_ERROR(impl->Open());
  return std::unique_ptr<ParameterClient>(new ParameterClient(std::move(impl)));
}

const std::vector<ParameterInfo>& ParameterClient::parameters() const {
  return impl_->parameters();
}
uint64_t ParameterClient::elements() const { return impl_->elements(); }
uint64_t ParameterClient::version() const { return impl_->version(); }

absl::StatusOr<std::vector<float>> ParameterClient::Pull() { return impl_->Pull(); }

absl::Status ParameterClient::Push(absl::Span<const float> gradient) {
  return impl_->Send(gradient, false).status();
}

absl::StatusOr<std::vector<float>> ParameterClient::Exchange(absl::Span<const float> gradient) {
  return impl_->Send(gradient, true);
}

}  // namespace paceline
