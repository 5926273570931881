#include "tests/sim/cluster.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/job/parameters.h"
#include "tests/sim/event_queue.h"
#include "tests/sim/expected.h"
#include "tests/sim/network.h"
#include "tests/sim/sim_coordinator.h"
#include "tests/sim/sim_server.h"
#include "tests/sim/sim_worker.h"
#include "worker/loop/weights_hash.h"

namespace paceline::sim {
namespace {

constexpr absl::Duration kClientTimeout = absl::Seconds(2);
constexpr absl::Duration kClientRetry = absl::Milliseconds(200);

// Beyond the time that one worker alone would compute for.
constexpr absl::Duration kLivenessBound = absl::Seconds(60);
constexpr uint64_t kEventsMax = 3'000'000;

class Cluster {
 public:
  Cluster(const Scenario& scenario, bool print)
      : scenario_(scenario),
        queue_(scenario.seed, print),
        network_(&queue_, scenario.seed),
        oracle_(&scenario_),
        coordinator_(&queue_, &network_, &oracle_),
        client_("client", &queue_) {
    world_ = {&scenario_, &queue_, &network_, &oracle_, &coordinator_, {}};
    network_.MarkSpine(coordinator_.node());
    for (uint32_t i = 0; i < scenario.servers; ++i) {
      const std::string id = absl::StrCat("s", i);
      servers_.push_back(
          std::make_unique<SimServer>(id, &queue_, &network_, &oracle_, &coordinator_));
      world_.servers[absl::StrCat(id, ":1")] = servers_.back().get();
      network_.MarkSpine(servers_.back()->node());
    }
    for (size_t i = 0; i < scenario.workers.size(); ++i) {
      workers_.push_back(
          std::make_unique<SimWorker>(absl::StrCat("w", i), scenario.workers[i], &world_));
    }
  }

  RunResult Run();

 private:
  absl::Time At(absl::Duration elapsed) const { return queue_.start() + elapsed; }
  absl::Duration Deadline() const;
  absl::Time EndOf(const FaultEvent& fault) const;
  void Begin();
  void Plan(const FaultEvent& fault);
  void PlanForWorker(const FaultEvent& fault, SimWorker* worker);
  Node* Find(const std::string& name);
  SimWorker* FindWorker(const std::string& name);
  void Calm();
  void Submit();
  void Watch();
  void Change(const v1::ConsistencySpec& consistency);
  void OnFinished(const v1::JobStatus& status);
  void CollectParameters(const v1::JobStatus& status);
  void CheckParameters(const v1::JobStatus& status);
  std::string WhatEverybodyDoes() const;

  const Scenario scenario_;
  EventQueue queue_;
  Network network_;
  Oracle oracle_;
  SimCoordinator coordinator_;
  Node client_;
  World world_;
  std::vector<std::unique_ptr<SimServer>> servers_;
  std::vector<std::unique_ptr<SimWorker>> workers_;

  std::string job_;
  std::string last_seen_ = "nothing";
  bool finished_ = false;
  std::vector<float> parameters_;
  std::vector<uint64_t> partition_ends_;
};

absl::Duration Cluster::Deadline() const {
  absl::Duration slowest = absl::ZeroDuration();
  absl::Duration latest = scenario_.calm;
  for (const WorkerPlan& worker : scenario_.workers) {
    slowest = std::max(slowest, worker.compute);
    latest = std::max(latest, worker.start);
  }
  return latest + slowest * static_cast<int64_t>(scenario_.total_shards()) + kLivenessBound;
}

RunResult Cluster::Run() {
  queue_.Trace("seed ", scenario_.seed, ": ", scenario_.Summary());
  Begin();
  const absl::Time deadline = At(Deadline());
  while (!finished_ && oracle_.failure().empty() && queue_.RunNext()) {
    if (queue_.now() > deadline || queue_.events() > kEventsMax) {
      oracle_.Fail(absl::StrCat("the job has not finished within ",
                                absl::FormatDuration(queue_.elapsed()), " and ", queue_.events(),
                                " events; last seen: ", last_seen_, "; ", WhatEverybodyDoes()));
    }
  }
  RunResult result;
  result.failure = oracle_.failure();
  if (!result.failure.empty()) {
    result.failure = absl::StrCat("at ", absl::FormatDuration(queue_.elapsed()), ": ",
                                  result.failure, "\n  ", scenario_.Summary());
    queue_.Trace("FAILED ", result.failure);
  }
  result.trace_hash = queue_.trace_hash();
  result.events = queue_.events();
  result.took = queue_.elapsed();
  result.parameters = std::move(parameters_);
  result.counts = oracle_.counts();
  return result;
}

void Cluster::Begin() {
  network_.SetFaults(scenario_.links, scenario_.spine);
  coordinator_.Start();
  for (const auto& server : servers_) server->Start();
  for (size_t i = 0; i < workers_.size(); ++i) {
    queue_.At(At(scenario_.workers[i].start), [worker = workers_[i].get()] { worker->Start(); });
  }
  for (const FaultEvent& fault : scenario_.faults) Plan(fault);
  queue_.At(At(scenario_.calm), [this] { Calm(); });
  for (const ModeChange& change : scenario_.mode_changes) {
    client_.At(At(change.when), [] {});
    queue_.At(At(change.when), [this, change] { Change(change.consistency); });
  }
  client_.Start();
  Submit();
}

// ---- What goes wrong ----

// After its beginning, so that nobody is started before he is killed, and hardly after the calm.
absl::Time Cluster::EndOf(const FaultEvent& fault) const {
  const absl::Duration end = std::min(fault.when + fault.duration, scenario_.calm);
  return At(std::max(end, fault.when)) + absl::Milliseconds(1);
}

SimWorker* Cluster::FindWorker(const std::string& name) {
  for (const auto& worker : workers_) {
    if (worker->node()->name() == name) return worker.get();
  }
  return nullptr;
}

Node* Cluster::Find(const std::string& name) {
  if (name == "c") return coordinator_.node();
  for (const auto& server : servers_) {
    if (server->node()->name() == name) return server->node();
  }
  return FindWorker(name)->node();
}

void Cluster::Plan(const FaultEvent& fault) {
  const absl::Time when = At(fault.when);
  const absl::Time end = EndOf(fault);
  Node* const node = Find(fault.node);
  if (fault.kind == FaultEvent::Kind::kPause) {
    queue_.At(when, [node, end] { node->Pause(end); });
  } else if (fault.kind == FaultEvent::Kind::kCut) {
    queue_.At(when, [this, node, peer = Find(fault.peer), end] { network_.Cut(node, peer, end); });
  } else if (node == coordinator_.node()) {
    queue_.At(when, [this] { coordinator_.Kill(); });
    queue_.At(end, [this] { coordinator_.Start(); });
  } else {
    PlanForWorker(fault, FindWorker(fault.node));
  }
}

void Cluster::PlanForWorker(const FaultEvent& fault, SimWorker* worker) {
  const absl::Time when = At(fault.when);
  const absl::Time end = EndOf(fault);
  switch (fault.kind) {
    case FaultEvent::Kind::kKill:
      queue_.At(when, [worker] { worker->Kill(); });
      queue_.At(end, [worker] { worker->Start(); });
      break;
    case FaultEvent::Kind::kLeave:
      queue_.At(when, [worker] { worker->Leave(); });
      queue_.At(end, [worker] { worker->Start(); });
      break;
    default:
      queue_.At(when, [worker] { worker->SetSlowness(10); });
      queue_.At(end, [worker] { worker->SetSlowness(1); });
  }
}

void Cluster::Calm() {
  LinkFaults calm;
  calm.delay_min = scenario_.links.delay_min;
  calm.delay_max = scenario_.links.delay_max;
  network_.SetFaults(calm, calm);
  queue_.Trace("from here on nothing goes wrong");
}

// ---- The client ----

void Cluster::Submit() {
  v1::SubmitJobRequest request;
  *request.mutable_spec() = scenario_.spec;
  request.set_submission_id("once");
  coordinator_.Call<v1::SubmitJobRequest, v1::SubmitJobReply>(
      &client_, kClientTimeout, &Coordinator::OnSubmitJob, request,
      [this](const absl::Status& status, const v1::SubmitJobReply* reply) {
        if (reply != nullptr) {
          job_ = reply->job();
          return Watch();
        }
        if (absl::IsInvalidArgument(status)) oracle_.Fail(status.ToString());
        client_.After(kClientRetry, [this] { Submit(); });
      });
}

void Cluster::Watch() {
  v1::DescribeJobRequest request;
  request.set_job(job_);
  coordinator_.Call<v1::DescribeJobRequest, v1::JobStatus>(
      &client_, kClientTimeout, &Coordinator::OnDescribeJob, request,
      [this](const absl::Status& /*status*/, const v1::JobStatus* job) {
        if (job != nullptr) {
          last_seen_ = absl::StrCat(v1::JobState_Name(job->state()), " (", job->reason(), ")");
          if (job->state() == v1::FINISHED) return OnFinished(*job);
          if (job->state() == v1::FAILED || job->state() == v1::CANCELLED) {
            return oracle_.Fail(absl::StrCat("the job is ", last_seen_));
          }
        }
        client_.After(kClientRetry, [this] { Watch(); });
      });
}

void Cluster::Change(const v1::ConsistencySpec& consistency) {
  v1::SetConsistencyRequest request;
  request.set_job(job_);
  *request.mutable_consistency() = consistency;
  coordinator_.Call<v1::SetConsistencyRequest, v1::SetConsistencyReply>(
      &client_, kClientTimeout, &Coordinator::OnSetConsistency, request,
      [this, consistency](const absl::Status& status, const v1::SetConsistencyReply*) {
        queue_.Trace("change to ", consistency.ShortDebugString(), ": ", status.ToString());
        const bool again = absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status);
        if (again) client_.After(kClientRetry, [this, consistency] { Change(consistency); });
      });
}

// ---- The end ----

std::string Cluster::WhatEverybodyDoes() const {
  std::vector<std::string> all;
  for (const auto& worker : workers_) all.push_back(worker->Doing());
  return absl::StrJoin(all, "; ");
}

void Cluster::OnFinished(const v1::JobStatus& status) {
  finished_ = true;
  queue_.Trace("the job has finished: ", status.weights_sha256());
  oracle_.CheckEnd(status);
  CollectParameters(status);
  if (oracle_.failure().empty()) CheckParameters(status);
}

void Cluster::CollectParameters(const v1::JobStatus& status) {
  for (const v1::PartitionPlacement& placement : status.placement()) {
    SimServer* const server = world_.servers.at(placement.address());
    const BlockRef block = server->Peek(job_, status.segment().index(), placement.partition());
    if (block == nullptr) {
      return oracle_.Fail(
          absl::StrCat("partition ", placement.partition(), " does not give its parameters"));
    }
    const auto floats = block->floats();
    parameters_.insert(parameters_.end(), floats.begin(), floats.end());
    partition_ends_.push_back(parameters_.size());
  }
}

void Cluster::CheckParameters(const v1::JobStatus& status) {
  const auto infos = ParametersOf(scenario_.spec, scenario_.facts);
  if (parameters_.size() != TotalElements(*infos)) {
    return oracle_.Fail(absl::StrCat("the partitions hold ", parameters_.size(), " elements"));
  }
  if (WeightsSha256(*infos, parameters_) != status.weights_sha256()) {
    return oracle_.Fail("the evaluated parameters are not those that the partitions hold");
  }
  if (!HasExactSum(scenario_)) return;
  const std::string wrong = CompareWithExactSum(
      scenario_, {oracle_.segments(), oracle_.damping(), partition_ends_, parameters_});
  if (!wrong.empty()) oracle_.Fail(wrong);
}

bool IsSyncThroughout(const Scenario& scenario) {
  return scenario.spec.consistency().has_sync() && scenario.mode_changes.empty();
}

}  // namespace

RunResult Run(const Scenario& scenario, bool print) {
  return std::make_unique<Cluster>(scenario, print)->Run();
}

RunResult RunSeed(uint64_t seed, bool print) {
  const Scenario scenario = MakeScenario(seed);
  RunResult result = Run(scenario, print);
  if (!result.failure.empty() || !IsSyncThroughout(scenario)) return result;
  const RunResult quiet = Run(Undisturbed(scenario), false);
  if (!quiet.failure.empty()) {
    result.failure = absl::StrCat("undisturbed: ", quiet.failure);
  } else if (quiet.parameters.size() != result.parameters.size() ||
             std::memcmp(quiet.parameters.data(), result.parameters.data(),
                         quiet.parameters.size() * sizeof(float)) != 0) {
    result.failure =
        absl::StrCat("the parameters are not those of the undisturbed run\n  ", scenario.Summary());
  }
  return result;
}

}  // namespace paceline::sim
