#include "tests/sim/chaos.h"

#include <algorithm>
#include <iterator>

namespace paceline::sim {
namespace {

using Kind = FaultEvent::Kind;
using Direction = FaultEvent::Direction;

constexpr absl::Duration kTryAgain = absl::Milliseconds(200);

// Longer than a lease: who was ill has been heard of since, or has expired and is not in sync.
constexpr absl::Duration kConvalescence = absl::Milliseconds(2500);

}  // namespace

Chaos::Chaos(const World* world, const Servers* servers, const Workers* workers)
    : world_(*world),
      scenario_(*world->scenario),
      servers_(*servers),
      workers_(*workers),
      random_(scenario_.seed, "chaos") {}

void Chaos::Plan() {
  world_.network->SetFaults({scenario_.links, scenario_.spine, scenario_.peers});
  for (const FaultEvent& fault : scenario_.faults) PlanFault(fault);
  for (const FaultEvent& fault : scenario_.server_faults) {
    world_.queue->At(At(fault.when), [this, fault] { Try(fault); });
  }
  for (const StoreFault& fault : scenario_.store_faults) {
    world_.queue->At(At(fault.when), [this, fault] {
      const absl::Time end = std::min(world_.queue->now() + fault.duration, At(scenario_.calm));
      if (world_.etcd != nullptr) return world_.etcd->Lose(end);
      world_.coordinator->LoseStore(end, fault.is_known);
    });
  }
  for (const PowerLoss& loss : scenario_.power_losses) {
    world_.queue->At(At(loss.when), [this, loss] { LosePower(loss); });
  }
  world_.queue->At(At(scenario_.calm), [this] { Calm(); });
}

// After its beginning, so that nobody is started before he is killed, and hardly after the calm.
absl::Time Chaos::EndOf(absl::Time when, const FaultEvent& fault) const {
  const absl::Time end = std::min(when + fault.duration, At(scenario_.calm));
  return std::max(end, when) + absl::Milliseconds(1);
}

void Chaos::Calm() {
  LinkFaults calm;
  calm.delay_min = scenario_.links.delay_min;
  calm.delay_max = scenario_.links.delay_max;
  world_.network->SetFaults({calm, calm, calm});
  for (const auto& server : servers_) server->CalmDisk();
  world_.queue->Trace("from here on nothing goes wrong");
}

// ---- Who ----

SimServer* Chaos::FindServer(const std::string& name) const {
  for (const auto& server : servers_) {
    if (server->node()->name() == name) return server.get();
  }
  return nullptr;
}

SimWorker* Chaos::FindWorker(const std::string& name) const {
  for (const auto& worker : workers_) {
    if (worker->node()->name() == name) return worker.get();
  }
  return nullptr;
}

// Null: just now nobody is.
SimServer* Chaos::Elected() const {
  for (const auto& server : servers_) {
    if (server->control() != nullptr && server->control()->coordinates()) return server.get();
  }
  return nullptr;
}

// Where nobody is elected just now, one that may be.
Node* Chaos::CoordinatorNode() const {
  if (world_.coordinator != nullptr) return world_.coordinator->node();
  SimServer* const elected = Elected();
  return elected == nullptr ? servers_[0]->node() : elected->node();
}

Node* Chaos::Find(const std::string& name) const {
  if (name == "etcd") return world_.etcd->node();
  if (name == "c") return CoordinatorNode();
  SimServer* const server = FindServer(name);
  return server != nullptr ? server->node() : FindWorker(name)->node();
}

std::vector<Node*> Chaos::PeersOf(const Node* node, const std::string& name) const {
  std::vector<Node*> peers;
  const bool all = name == "all";
  // Who reached etcd and no server would be elected, or stay so, and take them all for lost.
  const bool elected = world_.etcd != nullptr && name == "servers";
  const bool control = all || elected || name == "control";
  if (control) peers.push_back(world_.etcd != nullptr ? world_.etcd->node() : CoordinatorNode());
  for (const auto& server : servers_) {
    if (control || name == "servers") peers.push_back(server->node());
  }
  for (const auto& worker : workers_) {
    if (all || name == "workers") peers.push_back(worker->node());
  }
  if (peers.empty()) peers.push_back(Find(name));
  peers.erase(std::remove(peers.begin(), peers.end(), node), peers.end());
  if (peers.empty() && world_.etcd != nullptr) peers.push_back(world_.etcd->node());
  return peers;
}

// ---- Links, workers, the coordinator ----

void Chaos::Ail(Node* node, const FaultEvent& fault, absl::Time end) {
  const auto ail = [this, &fault, end](const Node* from, const Node* to) {
    if (fault.kind == Kind::kCut) {
      world_.network->Cut(from, to, end);
    } else {
      world_.network->Slow(from, to, fault.extra, end);
    }
  };
  for (const Node* peer : PeersOf(node, fault.peer)) {
    if (fault.direction != Direction::kIn) ail(node, peer);
    if (fault.direction != Direction::kOut) ail(peer, node);
  }
}

void Chaos::PlanFault(const FaultEvent& fault) {
  EventQueue* const queue = world_.queue;
  const absl::Time when = At(fault.when);
  const absl::Time end = EndOf(when, fault);
  Node* const node = Find(fault.node);
  if (fault.kind == Kind::kPause) {
    queue->At(when, [node, end] { node->Pause(end); });
  } else if (fault.kind == Kind::kCut || fault.kind == Kind::kSlowLink) {
    queue->At(when, [this, node, fault, end] { Ail(node, fault, end); });
  } else if (fault.node == "c") {
    queue->At(when, [this] { world_.coordinator->Kill(); });
    queue->At(end, [this] { world_.coordinator->Start(); });
  } else {
    PlanForWorker(fault, end, FindWorker(fault.node));
  }
}

void Chaos::PlanForWorker(const FaultEvent& fault, absl::Time end, SimWorker* worker) {
  EventQueue* const queue = world_.queue;
  const absl::Time when = At(fault.when);
  switch (fault.kind) {
    case Kind::kKill:
      queue->At(when, [worker] { worker->Kill(); });
      queue->At(end, [worker] { worker->Start(); });
      break;
    case Kind::kLeave:
      queue->At(when, [worker] { worker->Leave(); });
      queue->At(end, [worker] { worker->Start(); });
      break;
    default:
      queue->At(when, [worker] { worker->SetSlowness(10); });
      queue->At(end, [worker] { worker->SetSlowness(1); });
  }
}

// ---- Power ----

void Chaos::LosePower(const PowerLoss& loss) {
  EventQueue* const queue = world_.queue;
  queue->Trace("the power is lost");
  const absl::Time end =
      std::min(queue->now() + loss.duration, At(scenario_.calm)) + absl::Milliseconds(1);
  const auto again = [&] { return end + random_.Between(absl::ZeroDuration(), loss.duration); };
  for (const auto& server : servers_) {
    ++server_faults_;
    server->Kill();
    queue->At(again(), [server = server.get()] { server->Start(); });
  }
  if (loss.coordinator && world_.coordinator != nullptr) {
    world_.coordinator->Kill();
    queue->At(again(), [this] { world_.coordinator->Start(); });
  }
  for (const auto& worker : workers_) {
    if (!loss.workers || !worker->node()->up()) continue;
    worker->Kill();
    queue->At(again(), [worker = worker.get()] { worker->Start(); });
  }
  world_.folder->Restart(random_.Bits());
  world_.checkpoints->OnPowerLoss();
}

// ---- Servers ----

void Chaos::Try(const FaultEvent& fault) {
  if (world_.queue->now() >= At(scenario_.calm)) return;
  SimServer* const server = Choose(fault.node);
  const bool can = server != nullptr && server->node()->up();
  if (can && (scenario_.reckless || IsSafe(TargetsOf(server, fault)))) return Hit(server, fault);
  world_.queue->At(world_.queue->now() + kTryAgain, [this, fault] { Try(fault); });
}

SimServer* Chaos::Choose(const std::string& who) {
  if (who == "coordinator") return Elected();
  if (who != "primary" && who != "backup") return FindServer(who);
  const auto& placements = world_.oracle->replicas().placements();
  if (placements.empty()) return servers_[random_.Below(servers_.size())].get();
  const v1::PartitionPlacement& placement =
      std::next(placements.begin(), static_cast<int64_t>(random_.Below(placements.size())))->second;
  if (placement.replicas().empty()) return nullptr;
  if (who == "primary") return FindServer(placement.server());
  const auto count = static_cast<uint64_t>(placement.replicas_size());
  return FindServer(placement.replicas(static_cast<int>(random_.Below(count))).server());
}

bool Chaos::IsWell(const SimServer& server) const {
  const auto ill = ill_until_.find(&server);
  return server.node()->up() &&
         (ill == ill_until_.end() || world_.queue->now() > ill->second + kConvalescence);
}

// Where servers elect, one of two that are cut from each other may be the coordinator, or become it,
// and take the other for lost.
Chaos::Targets Chaos::TargetsOf(const SimServer* server, const FaultEvent& fault) const {
  Targets targets = {server};
  if (world_.etcd == nullptr || fault.kind != Kind::kCut) return targets;
  const std::vector<Node*> peers = PeersOf(server->node(), fault.peer);
  SimServer* const other = FindServer(peers[0]->name());
  if (peers.size() == 1 && other != nullptr) targets.insert(other);
  return targets;
}

bool Chaos::IsSafe(const Targets& targets) const {
  const auto& placements = world_.oracle->replicas().placements();
  // Which servers the coordinator knows, nobody can tell.
  if (placements.empty()) return false;
  return std::all_of(placements.begin(), placements.end(),
                     [&](const auto& placement) { return IsSafe(targets, placement.second); });
}

bool Chaos::IsSafe(const Targets& targets, const v1::PartitionPlacement& placement) const {
  for (const v1::PartitionReplica& replica : placement.replicas()) {
    const SimServer* const server = FindServer(replica.server());
    const bool is_hit = targets.count(server) > 0;
    if (!is_hit && IsWell(*server) && IsGood(replica, placement)) return true;
  }
  return false;
}

// In sync, there to stay, and its primary has nothing else to say of it.
bool Chaos::IsGood(const v1::PartitionReplica& replica,
                   const v1::PartitionPlacement& placement) const {
  const ReplicaOracle& oracle = world_.oracle->replicas();
  const v1::PartitionReport* copy = oracle.ReportOf(replica.server(), placement.partition());
  if (!replica.in_sync() || replica.leaving() || !oracle.IsAlive(replica)) return false;
  if (copy == nullptr || copy->replica() != replica.id()) return false;
  if (FindServer(replica.server())->identity().incarnation() != replica.server_incarnation()) {
    return false;
  }
  if (oracle.MayBeTakenOut(replica.id(), placement)) return false;
  if (replica.server() == placement.server()) return !copy->is_backup();
  const v1::PartitionReport* primary = oracle.ReportOf(placement.server(), placement.partition());
  if (primary == nullptr || primary->term() != placement.term()) return false;
  for (const v1::BackupReport& backup : primary->backups()) {
    if (backup.replica() == replica.id()) return backup.state() == v1::BackupReport::CAUGHT_UP;
  }
  return false;
}

void Chaos::Hit(SimServer* server, const FaultEvent& fault) {
  EventQueue* const queue = world_.queue;
  const absl::Time end = EndOf(queue->now(), fault);
  ++server_faults_;
  for (const SimServer* const target : TargetsOf(server, fault)) {
    absl::Time& ill = ill_until_[target];
    ill = std::max(ill, end);
  }
  switch (fault.kind) {
    case Kind::kKill:
      server->Kill();
      queue->At(end, [server] { server->Start(); });
      break;
    case Kind::kLeave:
      server->Leave();
      queue->At(end, [server] { server->Start(); });
      break;
    case Kind::kPause:
      server->node()->Pause(end);
      break;
    default:
      Ail(server->node(), fault, end);
  }
}

}  // namespace paceline::sim
