#include "tests/sim/cluster.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/types/optional.h"
#include "common/base/check.h"
#include "common/job/parameters.h"
#include "server/checkpoint/memory_file_system.h"
#include "tests/sim/chaos.h"
#include "tests/sim/checkpoint_oracle.h"
#include "tests/sim/control_host.h"
#include "tests/sim/etcd.h"
#include "tests/sim/event_queue.h"
#include "tests/sim/expected.h"
#include "tests/sim/network.h"
#include "tests/sim/operators.h"
#include "tests/sim/sim_coordinator.h"
#include "tests/sim/sim_server.h"
#include "tests/sim/sim_worker.h"
#include "worker/loop/weights_hash.h"

namespace paceline::sim {
namespace {

// Beyond the time that one worker alone would compute for.
constexpr absl::Duration kLivenessBound = absl::Seconds(60);
// For copies to come where they should be, once nothing goes wrong.
constexpr absl::Duration kRecoveryBound = absl::Seconds(25);
// For the copies on a drained server to be elsewhere, when nothing goes wrong.
constexpr absl::Duration kDrainBound = absl::Seconds(8);
constexpr uint64_t kEventsMax = 3'000'000;

bool Damps(const v1::ConsistencySpec& mode) {
  return mode.has_async() && mode.async().on_stale() == v1::AsyncMode::DAMP;
}

// Whether pushes may count less without the oracle's having seen by how much.
bool MayDampUnseen(const Scenario& scenario) {
  if (scenario.replicas() == 1 && scenario.orders.empty()) return false;
  return Damps(scenario.spec.consistency()) ||
         std::any_of(scenario.mode_changes.begin(), scenario.mode_changes.end(),
                     [](const ModeChange& change) { return Damps(change.consistency); });
}

class Cluster {
 public:
  Cluster(const Scenario& scenario, bool print);

  RunResult Run();

 private:
  absl::Time At(absl::Duration elapsed) const { return queue_.start() + elapsed; }
  World MakeWorld();
  void AddHost(ControlHost* host);
  absl::Duration Deadline() const;
  void Begin();
  void CheckTime(absl::Time deadline);
  void OnSeen(const v1::JobStatus& status);
  void OnFailed(const v1::JobStatus& status);

  // A cancelled job leaves nothing behind.
  void OnGone();
  std::string Remains() const;

  // Nothing stays on a drained server.
  void CheckDrained();

  // What copies lack, after the end.
  void CheckRecovery(const v1::JobStatus& status);
  std::string Lacking(const v1::JobStatus& status) const;
  std::string Lacking(const v1::JobStatus& status, const v1::PartitionPlacement& placement) const;

  void OnFinished(const v1::JobStatus& status);
  void Finish();
  BlockRef PrimaryParameters(const v1::PartitionPlacement& placement) const;
  // Which partition's primary is not there; empty: all are.
  std::string WithoutParameters() const;
  void CollectParameters();
  void CompareCopies(const v1::PartitionPlacement& placement, const BlockRef& wanted);
  void CheckParameters();
  std::string WhatEverybodyDoes() const;

  const Scenario scenario_;
  EventQueue queue_;
  Network network_;
  Oracle oracle_;
  MemoryFileSystem folder_;
  CheckpointOracle checkpoints_;
  std::unique_ptr<SimCoordinator> coordinator_;  // One of these is null.
  std::unique_ptr<Etcd> etcd_;
  World world_;
  std::vector<std::unique_ptr<SimServer>> servers_;
  std::vector<std::unique_ptr<SimWorker>> workers_;
  Chaos chaos_;
  std::unique_ptr<Operators> operators_;

  std::string last_seen_ = "nothing";
  bool is_over_ = false;
  bool has_failed_ = false;
  absl::optional<absl::Time> gone_;  // The job; since when.
  bool is_cancelled_ = false;        // And nothing of it is left.
  v1::JobStatus end_;                // FINISHED.
  absl::Time ended_;
  std::vector<float> parameters_;
  std::vector<uint64_t> partition_ends_;
};

Cluster::Cluster(const Scenario& scenario, bool print)
    : scenario_(scenario),
      queue_(scenario.seed, print, scenario.skew),
      network_(&queue_, scenario.seed),
      oracle_(&scenario_),
      checkpoints_(&scenario_, &folder_, &oracle_),
      coordinator_(scenario.elects ? nullptr
                                   : std::make_unique<SimCoordinator>(&scenario_, &queue_,
                                                                      &network_, &oracle_)),
      etcd_(scenario.elects ? std::make_unique<Etcd>(&queue_, &network_, scenario.seed) : nullptr),
      world_(MakeWorld()),
      chaos_(&world_, &servers_, &workers_) {
  PACELINE_CHECK(folder_.MakeFolder("/disk").ok() && folder_.SyncFolder("/").ok());
  for (uint32_t i = 0; i < scenario.servers; ++i) {
    servers_.push_back(std::make_unique<SimServer>(absl::StrCat("s", i), &world_));
    SimServer* const server = servers_.back().get();
    world_.servers[server->address()] = server;
    network_.SetRole(server->node(), Network::Role::kServer);
    if (server->control() != nullptr) AddHost(server->control());
  }
  if (coordinator_ != nullptr) AddHost(coordinator_->host());
  network_.SetRole(etcd_ != nullptr ? etcd_->node() : coordinator_->node(),
                   Network::Role::kCoordinator);
  for (size_t i = 0; i < scenario.workers.size(); ++i) {
    workers_.push_back(
        std::make_unique<SimWorker>(absl::StrCat("w", i), scenario.workers[i], &world_));
  }
  operators_ = std::make_unique<Operators>(
      &world_, [this](const v1::JobStatus& status) { OnSeen(status); }, [this] { OnGone(); });
}

World Cluster::MakeWorld() {
  World world;
  world.scenario = &scenario_;
  world.queue = &queue_;
  world.network = &network_;
  world.oracle = &oracle_;
  world.coordinator = coordinator_.get();
  world.etcd = etcd_.get();
  world.folder = &folder_;
  world.checkpoints = &checkpoints_;
  return world;
}

void Cluster::AddHost(ControlHost* host) {
  world_.hosts[host->address()] = host;
  absl::StrAppend(&world_.coordinators, world_.coordinators.empty() ? "" : ",", host->address());
}

absl::Duration Cluster::Deadline() const {
  if (scenario_.mode == Mode::kSafety) return scenario_.calm;
  absl::Duration slowest = absl::ZeroDuration();
  absl::Duration latest = scenario_.calm;
  for (const WorkerPlan& worker : scenario_.workers) {
    slowest = std::max(slowest, worker.compute);
    latest = std::max(latest, worker.start);
  }
  // What was begun while its worker was slow takes as much longer, once.
  const auto run = static_cast<int64_t>(std::max(scenario_.spec.train().shards_per_push(),
                                                 scenario_.spec.train().shards_per_round()));
  return latest + slowest * (static_cast<int64_t>(scenario_.total_shards()) + 10 * run) +
         kLivenessBound;
}

RunResult Cluster::Run() {
  queue_.Trace("seed ", scenario_.seed, ": ", scenario_.Summary());
  Begin();
  const absl::Time deadline = At(Deadline());
  while (!is_over_ && oracle_.failure().empty() && queue_.RunNext()) CheckTime(deadline);
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
  result.has_finished = !has_failed_ && end_.state() == v1::FINISHED;
  result.has_failed = has_failed_;
  result.was_cancelled = is_cancelled_;
  result.parameters = std::move(parameters_);
  result.counts = oracle_.counts();
  result.promotions = oracle_.replicas().promotions();
  result.server_faults = chaos_.server_faults();
  return result;
}

void Cluster::Begin() {
  if (coordinator_ != nullptr) coordinator_->Start();
  for (const auto& server : servers_) server->Start();
  for (size_t i = 0; i < workers_.size(); ++i) {
    queue_.At(At(scenario_.workers[i].start), [worker = workers_[i].get()] { worker->Start(); });
  }
  chaos_.Plan();
  operators_->Begin();
}

void Cluster::CheckTime(absl::Time deadline) {
  if (end_.state() == v1::FINISHED) return;
  if (scenario_.is_cancelled() && oracle_.has_another_job()) {
    is_over_ = true;
    return;
  }
  if (queue_.now() <= deadline && queue_.events() <= kEventsMax) return;
  if (scenario_.mode == Mode::kSafety) {
    is_over_ = true;
    return;
  }
  oracle_.Fail(absl::StrCat("the job has not finished within ",
                            absl::FormatDuration(queue_.elapsed()), " and ", queue_.events(),
                            " events; last seen: ", last_seen_, "; ", WhatEverybodyDoes()));
}

void Cluster::OnSeen(const v1::JobStatus& status) {
  last_seen_ = absl::StrCat(v1::JobState_Name(status.state()), " (", status.reason(), ")");
  checkpoints_.OnStatus(status);
  if (status.state() == v1::FINISHED) return OnFinished(status);
  if (status.state() == v1::CANCELLED && scenario_.is_cancelled()) return;  // Until it is gone.
  if (status.state() == v1::FAILED || status.state() == v1::CANCELLED) return OnFailed(status);
  CheckRecovery(status);
  if (status.state() == v1::RUNNING) CheckDrained();
}

void Cluster::OnFailed(const v1::JobStatus& status) {
  const bool has_checkpoint = oracle_.counts().checkpoints > 0 && scenario_.disk.is_honest();
  if (!scenario_.may_lose_all() || has_checkpoint) {
    return oracle_.Fail(absl::StrCat("the job is ", last_seen_));
  }
  queue_.Trace("the job may fail, and has: ", status.reason());
  has_failed_ = true;
  is_over_ = true;
}

std::string Cluster::WhatEverybodyDoes() const {
  std::vector<std::string> all;
  for (const auto& worker : workers_) all.push_back(worker->Doing());
  for (const auto& [partition, placement] : oracle_.replicas().placements()) {
    all.push_back(placement.ShortDebugString());
  }
  for (const auto& server : servers_) {
    if (!server->node()->up()) continue;
    for (const v1::PartitionReport& report : server->Report()) {
      all.push_back(absl::StrCat(server->node()->name(), ": ", report.ShortDebugString()));
    }
  }
  return absl::StrJoin(all, ";\n  ");
}

// ---- A cancelled job ----

// Where anything of it is still to be found; empty: nowhere.
std::string Cluster::Remains() const {
  for (const auto& server : servers_) {
    const std::string held = server->Holds();
    if (!held.empty()) return absl::StrCat(server->node()->name(), " holds ", held);
  }
  for (const auto& worker : workers_) {
    if (worker->HasJobs()) return worker->Doing();
  }
  return "";
}

void Cluster::OnGone() {
  // A coordinator that has been succeeded, and does not know it, may never have heard of the job.
  if (!scenario_.is_cancelled() || scenario_.mode == Mode::kSafety) return;
  if (!gone_.has_value()) gone_ = queue_.now();
  const std::string remains = Remains();
  if (remains.empty()) {
    is_over_ = is_cancelled_ = true;
  } else if (queue_.now() > std::max(*gone_, At(scenario_.calm)) + kRecoveryBound) {
    oracle_.Fail(absl::StrCat("long after the job was cancelled, ", remains));
  }
}

// ---- Copies ----

std::string Cluster::Lacking(const v1::JobStatus& status,
                             const v1::PartitionPlacement& placement) const {
  uint32_t in_sync = 0;
  for (const v1::PartitionReplica& replica : placement.replicas()) {
    if (!replica.in_sync()) continue;
    ++in_sync;
    const v1::PartitionReport* copy =
        oracle_.replicas().ReportOf(replica.server(), placement.partition());
    const uint64_t version = copy == nullptr ? 0 : copy->version();
    if (status.state() == v1::FINISHED && version < status.version()) {
      return absl::StrCat("the copy on ", replica.server(), " is at version ", version, " of ",
                          status.version());
    }
  }
  // Nobody makes new copies of a job that has ended, but what there is can be read.
  if (status.state() == v1::FINISHED) {
    return PrimaryParameters(placement) == nullptr ? "its primary does not serve" : "";
  }
  uint32_t wanted = std::min(scenario_.replicas(), scenario_.servers);
  for (const AdminOrder& order : scenario_.orders) {
    if (order.replicas > 0) wanted = std::min(wanted, order.replicas);
  }
  if (in_sync < wanted) return absl::StrCat(in_sync, " copies are in sync; wanted ", wanted);
  return "";
}

std::string Cluster::Lacking(const v1::JobStatus& status) const {
  for (const v1::PartitionPlacement& placement : status.placement()) {
    const std::string lack = Lacking(status, placement);
    if (lack.empty()) continue;
    return absl::StrCat("partition ", placement.partition(), ": ", lack, ": ",
                        placement.ShortDebugString());
  }
  return "";
}

// Some time after the calm all copies are there.
void Cluster::CheckRecovery(const v1::JobStatus& status) {
  if (scenario_.mode == Mode::kSafety || scenario_.replicas() == 1) return;
  if (queue_.now() < At(scenario_.calm) + kRecoveryBound) return;
  const std::string lack = Lacking(status);
  if (!lack.empty()) oracle_.Fail(absl::StrCat("long after the last fault, ", lack));
}

// Some time after it was last drained.
void Cluster::CheckDrained() {
  if (scenario_.drained.empty()) return;
  absl::Duration when;
  for (const AdminOrder& order : scenario_.orders) when = std::max(when, order.when);
  if (queue_.now() < At(when) + kDrainBound) return;
  for (const auto& server : servers_) {
    if (server->node()->name() != scenario_.drained || !server->node()->up()) continue;
    for (const v1::PartitionReport& report : server->Report()) {
      oracle_.Fail(absl::StrCat(scenario_.drained, " has long been drained, and holds ",
                                report.ShortDebugString()));
    }
  }
}

// ---- The end ----

void Cluster::OnFinished(const v1::JobStatus& status) {
  if (end_.state() != v1::FINISHED) {
    CheckDrained();
    queue_.Trace("the job has finished: ", status.weights_sha256());
    ended_ = queue_.now();
    oracle_.CheckEnd(status);
  }
  end_ = status;
  const absl::Time calm = std::max(ended_, At(scenario_.calm));
  if (scenario_.mode == Mode::kLiveness && !scenario_.may_lose_all()) {
    std::string lack = Lacking(status);
    // Who is primary since a moment ago may not know it yet.
    if (lack.empty()) lack = WithoutParameters();
    if (!lack.empty()) {
      if (queue_.now() > calm + kRecoveryBound) {
        oracle_.Fail(absl::StrCat("long after the job's end, ", lack));
      }
      return;
    }
  }
  Finish();
}

void Cluster::Finish() {
  is_over_ = true;
  CollectParameters();
  if (oracle_.failure().empty() && !parameters_.empty()) CheckParameters();
}

// Null: the primary is dead, does not know its role yet, or has not committed what it inherited.
BlockRef Cluster::PrimaryParameters(const v1::PartitionPlacement& placement) const {
  const auto server = world_.servers.find(placement.address());
  const auto* report = oracle_.replicas().ReportOf(placement.server(), placement.partition());
  if (server == world_.servers.end() || report == nullptr) return nullptr;
  const bool serves = !report->is_backup() && report->term() == placement.term() &&
                      report->version() >= end_.version();
  return serves ? server->second->Peek(end_.job(), placement.partition()) : nullptr;
}

std::string Cluster::WithoutParameters() const {
  for (const auto& [partition, placement] : oracle_.replicas().placements()) {
    if (PrimaryParameters(placement) != nullptr) continue;
    return absl::StrCat("partition ", partition, " does not give its parameters");
  }
  return "";
}

// Empty if a partition's primary is not there just now, as may be where faults do not end or all
// may be lost.
void Cluster::CollectParameters() {
  for (const auto& [partition, placement] : oracle_.replicas().placements()) {
    const BlockRef block = PrimaryParameters(placement);
    if (block == nullptr) {
      parameters_.clear();
      return;
    }
    CompareCopies(placement, block);
    const auto floats = block->floats();
    parameters_.insert(parameters_.end(), floats.begin(), floats.end());
    partition_ends_.push_back(parameters_.size());
  }
}

// All copies of one version are the same bits.
void Cluster::CompareCopies(const v1::PartitionPlacement& placement, const BlockRef& wanted) {
  const uint32_t partition = placement.partition();
  const auto* primary = oracle_.replicas().ReportOf(placement.server(), partition);
  for (const auto& server : servers_) {
    const auto* copy = oracle_.replicas().ReportOf(server->node()->name(), partition);
    if (primary == nullptr || copy == nullptr || copy->version() != primary->version()) continue;
    // One that was left behind when the job went back may have gone another way.
    const auto& named = placement.replicas();
    const bool is_named = std::any_of(named.begin(), named.end(), [&](const auto& replica) {
      return replica.id() == copy->replica();
    });
    if (!is_named && copy->segment() != primary->segment()) continue;
    const BlockRef block = server->Peek(end_.job(), partition);
    if (block == nullptr) continue;
    if (block->elements() == wanted->elements() &&
        std::memcmp(block->floats().data(), wanted->floats().data(),
                    block->elements() * sizeof(float)) == 0) {
      continue;
    }
    oracle_.Fail(absl::StrCat("partition ", partition, ": the copies on ", placement.server(),
                              " and ", server->node()->name(), " are both at version ",
                              copy->version(), " and differ"));
  }
}

void Cluster::CheckParameters() {
  const auto infos = ParametersOf(scenario_.spec, scenario_.facts);
  if (parameters_.size() != TotalElements(*infos)) {
    return oracle_.Fail(absl::StrCat("the partitions hold ", parameters_.size(), " elements"));
  }
  if (WeightsSha256(*infos, parameters_) != end_.weights_sha256()) {
    return oracle_.Fail("the evaluated parameters are not those that the partitions hold");
  }
  if (!HasExactSum(scenario_) || MayDampUnseen(scenario_)) return;
  const std::string wrong = CompareWithExactSum(
      scenario_,
      {oracle_.segments(), oracle_.damping(), partition_ends_, parameters_, oracle_.counted()});
  if (!wrong.empty()) oracle_.Fail(wrong);
}

bool IsSyncThroughout(const Scenario& scenario) {
  return scenario.spec.consistency().has_sync() && scenario.mode_changes.empty();
}

}  // namespace

RunResult Run(const Scenario& scenario, bool print) {
  return std::make_unique<Cluster>(scenario, print)->Run();
}

RunResult RunSeed(uint64_t seed, Mode mode, bool print) {
  const Scenario scenario = MakeScenario(seed, mode);
  RunResult result = Run(scenario, print);
  if (!result.failure.empty() || !IsSyncThroughout(scenario)) return result;
  if (!result.has_finished || result.parameters.empty()) return result;
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
