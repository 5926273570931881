#include "tests/sim/sim_worker.h"

#include <algorithm>
#include <deque>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/version.h"

namespace paceline::sim {
namespace {

// As worker/agent.
constexpr absl::Duration kSyncSlack = absl::Seconds(3);
constexpr int kSlacksInLease = 4;
constexpr absl::Duration kRetry = absl::Milliseconds(250);
constexpr absl::Duration kLeaseTimeout = absl::Seconds(5);
constexpr absl::Duration kLeaveTimeout = absl::Seconds(1);

}  // namespace

class SimWorker::Runner : public std::enable_shared_from_this<SimWorker::Runner> {
 public:
  Runner(SimWorker* worker, std::string job)
      : worker_(worker),
        world_(*worker->world_),
        node_(&worker->node_),
        job_(std::move(job)),
        identity_(worker->identity_),
        trainer_(world_.scenario, identity_.id()),
        loop_(identity_, Options()) {}

  void Begin(const v1::JobDirective& directive) {
    OnDirective(directive);
    Schedule(worker_->plan_.read_data, [this] { has_facts_ = true; });
  }

  // Its process lives on without it; whatever comes back finds it gone.
  void End() {
    for (const auto& [id, call] : calls_) world_.network->Cancel(call);
    calls_.clear();
  }

  void OnDirective(const v1::JobDirective& directive) {
    loop_.OnDirective(now(), directive);
    Perform();
  }
  void OnReported(const v1::WorkerJobReport& report) { loop_.OnReported(report); }

  v1::WorkerJobReport Report() const {
    v1::WorkerJobReport report = loop_.Report(now());
    report.set_job(job_);
    if (has_facts_) *report.mutable_facts() = world_.scenario->facts;
    if (!report.error().empty()) {
      world_.oracle->Fail(absl::StrCat(identity_.id(), " gave up: ", report.error()));
    }
    return report;
  }

  std::string Doing() const { return loop_.Doing(); }

 private:
  JobLoopOptions Options() const {
    JobLoopOptions options;
    options.session.seed = identity_.incarnation();
    options.session.call_timeout = world_.scenario->call_timeout;
    return options;
  }

  absl::Time now() const { return node_->clock(); }

  // `work`, unless this runner has gone by then.
  std::function<void()> Mine(std::function<void()> work) {
    return [self = weak_from_this(), work = std::move(work)] {
      if (const auto alive = self.lock()) work();
    };
  }

  // The one thread for numbers: one task after the other.
  void Schedule(absl::Duration cost, std::function<void()> task) {
    numbers_free_ = std::max(numbers_free_, world_.queue->now()) + cost;
    node_->At(numbers_free_, Mine(std::move(task)));
  }

  void Perform() {
    for (const uint64_t id : loop_.TakeCancels()) {
      const auto call = calls_.find(id);
      if (call == calls_.end()) continue;
      world_.network->Cancel(call->second);
      calls_.erase(call);
    }
    for (ParameterCall& call : loop_.TakeCalls()) Send(std::move(call));
    if (const auto id = loop_.TakeAbandoned()) Abandon(*id);
    if (auto request = loop_.TakeCompute()) Compute(*std::move(request));
    if (auto request = loop_.TakeEvaluate()) Evaluate(*std::move(request));
    if (auto call = loop_.TakeLease()) Lease(*call);
    Arm();
  }

  void Arm() {
    const absl::Time next = loop_.NextTick();
    if (next >= armed_) return;
    armed_ = next;
    node_->AtClock(next, Mine([this, next] {
                     if (armed_ != next) return;
                     armed_ = absl::InfiniteFuture();
                     loop_.OnTick(now());
                     Perform();
                   }));
  }

  void Send(ParameterCall call) {
    const uint64_t id = call.id;
    const auto found = world_.servers.find(call.address);
    if (found == world_.servers.end()) {
      // There is no such place: a partition without a primary.
      return node_->After(absl::Milliseconds(1), Mine([this, id] {
                            OnCallDone(id, absl::UnavailableError("no such address"), nullptr);
                          }));
    }
    SimServer* const server = found->second;
    const absl::Duration timeout = call.timeout;
    auto shared = std::make_shared<const ParameterCall>(std::move(call));
    auto serve = [server, shared](std::shared_ptr<Network::Incoming> incoming) {
      server->Handle(std::move(incoming), *shared);
    };
    auto done = [self = weak_from_this(), id](const absl::Status& status, const void* answer) {
      if (const auto alive = self.lock()) alive->OnCallDone(id, status, answer);
    };
    calls_[id] =
        world_.network->Call(node_, server->node(), timeout, std::move(serve), std::move(done));
  }

  void OnCallDone(uint64_t id, const absl::Status& status, const void* answer) {
    calls_.erase(id);
    CallResult result;
    if (answer != nullptr) result = *static_cast<const CallResult*>(answer);
    result.status = status;
    loop_.OnCallDone(now(), id, std::move(result));
    Perform();
  }

  void Compute(ComputeRequest request) {
    uint64_t shards = 0;
    for (const ComputePiece& piece : request.pieces) shards += piece.shards;
    const absl::Duration cost =
        worker_->plan_.compute * static_cast<int64_t>(shards) * worker_->slowness_;
    world_.queue->Trace(identity_.id(), " computes ", shards, " data shards from ",
                        request.pieces[0].first_shard, " for ", absl::FormatDuration(cost));
    Schedule(cost, [this, request = std::move(request)] {
      loop_.OnComputed(now(), request.id, trainer_.Compute(request));
      Perform();
    });
    compute_end_ = numbers_free_;
  }

  // Ends with the data shard at hand. What was scheduled finds that nobody asks any more.
  void Abandon(uint64_t id) {
    const absl::Time end =
        std::min(compute_end_, world_.queue->now() + worker_->plan_.compute * worker_->slowness_);
    if (numbers_free_ == compute_end_) numbers_free_ = end;
    node_->At(end, Mine([this, id] {
                loop_.OnAbandoned(now(), id, 0);
                Perform();
              }));
  }

  void Evaluate(EvaluateRequest request) {
    world_.queue->Trace(identity_.id(), " evaluates version ", request.version);
    Schedule(worker_->plan_.compute, [this, request = std::move(request)] {
      loop_.OnEvaluated(now(), request.id, trainer_.Evaluate(request));
      Perform();
    });
  }

  void Lease(const LeaseCall& call) {
    v1::LeaseRequest request;
    request.set_job(job_);
    *request.mutable_worker() = identity_;
    request.set_segment(call.segment);
    request.set_want(call.want);
    auto done = [self = weak_from_this(), id = call.id](const absl::Status& status,
                                                        const v1::LeaseReply* reply) {
      const auto alive = self.lock();
      if (alive == nullptr) return;
      alive->world_.queue->Trace(alive->identity_.id(), " lease: ", status.ToString(), " ",
                                 reply == nullptr ? "" : reply->ShortDebugString());
      if (reply == nullptr) {
        alive->loop_.OnLease(alive->now(), id, status);
      } else {
        alive->loop_.OnLease(alive->now(), id, *reply);
      }
      alive->Perform();
    };
    worker_->control_.Call<v1::LeaseRequest, v1::LeaseReply>(
        kLeaseTimeout, &Coordinator::OnLeaseRuns, request, std::move(done));
  }

  SimWorker* const worker_;
  const World& world_;
  Node* const node_;
  const std::string job_;
  const v1::WorkerIdentity identity_;
  bool has_facts_ = false;
  FakeTrainer trainer_;
  JobLoop loop_;
  std::map<uint64_t, uint64_t> calls_;  // The network's number by the session's.
  absl::Time numbers_free_ = absl::InfinitePast();
  absl::Time compute_end_ = absl::InfinitePast();  // Of the newest ComputeRequest.
  absl::Time armed_ = absl::InfiniteFuture();
};

SimWorker::SimWorker(const std::string& id, WorkerPlan plan, const World* world)
    : plan_(plan),
      world_(world),
      node_(id, world->queue),
      control_(&node_, &world->hosts, world->coordinators) {}

SimWorker::~SimWorker() = default;

void SimWorker::Start() {
  if (node_.up()) return;
  node_.Start();
  identity_.Clear();
  identity_.set_id(node_.name());
  known_version_ = 0;
  interval_ = absl::Milliseconds(200);
  slack_ = kSyncSlack;
  Sync();
}

void SimWorker::Kill() {
  if (!node_.up()) return;
  node_.Kill();
  world_->network->OnKilled(&node_);
  runners_.clear();
}

void SimWorker::Leave() {
  if (!node_.up()) return;
  for (const auto& [job, runner] : runners_) runner->End();
  runners_.clear();
  v1::WorkerSyncRequest request = MakeRequest();
  request.set_leaving(true);
  if (identity_.incarnation() != 0) {
    control_.Call<v1::WorkerSyncRequest, v1::WorkerSyncReply>(
        kLeaveTimeout, &Coordinator::OnWorkerSync, request,
        [](const absl::Status&, const v1::WorkerSyncReply*) {});
  }
  // The goodbye is on its way; the process is gone.
  node_.Kill();
  world_->network->OnKilled(&node_);
}

v1::WorkerSyncRequest SimWorker::MakeRequest() const {
  v1::WorkerSyncRequest request;
  *request.mutable_worker() = identity_;
  request.set_release(kRelease);
  request.set_host(node_.name());
  request.set_known_version(known_version_);
  request.set_slots(1);
  for (const auto& [job, runner] : runners_) *request.add_jobs() = runner->Report();
  return request;
}

void SimWorker::Sync() {
  const v1::WorkerSyncRequest request = MakeRequest();
  control_.Call<v1::WorkerSyncRequest, v1::WorkerSyncReply>(
      interval_ + slack_, &Coordinator::OnWorkerSync, request,
      [this, request](const absl::Status& status, const v1::WorkerSyncReply* reply) {
        OnSynced(request, status, reply);
      });
}

void SimWorker::OnSynced(const v1::WorkerSyncRequest& request, const absl::Status& status,
                         const v1::WorkerSyncReply* reply) {
  if (!status.ok()) {
    world_->queue->Trace(node_.name(), " sync: ", status.ToString());
    if (absl::IsFailedPrecondition(status) && identity_.incarnation() != 0) {
      for (const auto& [job, runner] : runners_) runner->End();
      runners_.clear();
      identity_.set_incarnation(0);
      known_version_ = 0;
    }
    node_.After(kRetry, [this] { Sync(); });
    return;
  }
  for (const v1::WorkerJobReport& report : request.jobs()) {
    if (reply->evaluations_not_kept()) break;
    const auto runner = runners_.find(report.job());
    if (runner != runners_.end()) runner->second->OnReported(report);
  }
  identity_ = reply->worker();
  interval_ = absl::Milliseconds(reply->sync_interval_ms());
  slack_ = absl::Milliseconds(reply->lease_ms()) / kSlacksInLease;
  if (reply->changed()) ApplyDirectives(*reply);
  Sync();
}

void SimWorker::ApplyDirectives(const v1::WorkerSyncReply& reply) {
  known_version_ = reply.version();
  std::set<std::string> named;
  for (const v1::JobDirective& directive : reply.jobs()) {
    world_->queue->Trace(node_.name(), " directive: ", v1::JobState_Name(directive.state()),
                         " segment ", directive.segment().ShortDebugString(), " granted ",
                         directive.granted_rounds(), " roster ",
                         directive.roster().ShortDebugString());
    named.insert(directive.job());
    std::shared_ptr<Runner>& runner = runners_[directive.job()];
    if (runner != nullptr) {
      runner->OnDirective(directive);
      continue;
    }
    runner = std::make_shared<Runner>(this, directive.job());
    runner->Begin(directive);
  }
  for (auto it = runners_.begin(); it != runners_.end();) {
    if (named.count(it->first) > 0) {
      ++it;
      continue;
    }
    it->second->End();
    it = runners_.erase(it);
  }
}

std::string SimWorker::Doing() const {
  if (!node_.up()) return absl::StrCat(node_.name(), " is dead");
  std::string text = absl::StrCat(node_.name(), "#", identity_.incarnation());
  for (const auto& [job, runner] : runners_) absl::StrAppend(&text, ": ", runner->Doing());
  return text;
}

}  // namespace paceline::sim
