#include "tests/sim/trouble.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace paceline::sim {
namespace {

using Kind = FaultEvent::Kind;
using Direction = FaultEvent::Direction;

// No order is on its way for longer.
constexpr absl::Duration kOrdersArrive = absl::Seconds(8);
// Of a run in which faults never end.
constexpr absl::Duration kSafetyEnd = absl::Seconds(20);

std::string DrawName(Random* random, const char* prefix, uint64_t count) {
  return absl::StrCat(prefix, random->Below(count));
}

Direction DrawDirection(Random* random) {
  const uint64_t draw = random->Below(4);
  return draw < 2 ? Direction::kBoth : draw == 2 ? Direction::kOut : Direction::kIn;
}

// ---- Links and clocks ----

void DrawLinks(Random* random, Scenario* scenario) {
  scenario->call_timeout = random->Ms(500, 10000);
  if (random->Chance(0.7)) scenario->skew = {absl::Minutes(10), 0.02};
  LinkFaults& links = scenario->links;
  links.delay_max = absl::Microseconds(random->Between(100, 20000));
  scenario->peers.delay_max = absl::Microseconds(random->Between(100, 20000));
  if (random->Chance(0.15)) return;  // A quiet network.
  const double scale = random->Chance(0.5) ? 0.01 : 0.05;
  links.lose = scale * random->Fraction() * 0.5;
  links.reset = scale * random->Fraction();
  links.duplicate = 3 * scale * random->Fraction();
  links.straggle = scale * random->Fraction();
  links.straggle_max = random->Ms(50, 5000);
  // A server that the coordinator does not hear of for a lease loses its copies, so these links
  // break often but recover fast.
  LinkFaults& spine = scenario->spine;
  spine.reset = links.reset;
  spine.duplicate = links.duplicate;
  spine.straggle = links.straggle;
  spine.straggle_max = absl::Milliseconds(300);
  LinkFaults& peers = scenario->peers;
  peers.lose = scale * random->Fraction() * 0.5;
  peers.reset = scale * random->Fraction();
  peers.duplicate = 3 * scale * random->Fraction();
  peers.straggle = scale * random->Fraction();
  peers.straggle_max = random->Ms(50, 3000);
}

// ---- Workers ----

FaultEvent DrawWorkerFault(Random* random, const Scenario& scenario) {
  FaultEvent fault;
  fault.when = random->Between(absl::ZeroDuration(), scenario.calm);
  fault.node = DrawName(random, "w", scenario.workers.size());
  switch (random->Below(6)) {
    case 0:
    case 1:
      fault.kind = Kind::kKill;
      fault.duration = random->Ms(0, 4000);
      break;
    case 2:
      fault.kind = Kind::kPause;
      fault.duration = random->Ms(10, 5000);
      break;
    case 3:
      fault.kind = Kind::kLeave;
      fault.duration = random->Ms(0, 3000);
      break;
    case 4:
      fault.kind = Kind::kSlow;
      fault.duration = random->Ms(100, 3000);
      break;
    default:
      fault.kind = random->Chance(0.7) ? Kind::kCut : Kind::kSlowLink;
      fault.peer = random->Chance(0.5) ? "c" : DrawName(random, "s", scenario.servers);
      fault.direction = DrawDirection(random);
      fault.extra = random->Ms(10, 1500);
      fault.duration = random->Ms(10, 4000);
  }
  return fault;
}

// ---- The coordinator, and servers that hold the only copy ----

// One after the other, with time between them: together they would keep a server from its lease.
void DrawSpineFaults(Random* random, Scenario* scenario) {
  absl::Duration when = random->Ms(0, 2000);
  while (when < scenario->calm) {
    FaultEvent fault;
    fault.when = when;
    const uint64_t kind = random->Below(scenario->replicas() > 1 ? 2 : 4);
    fault.node = kind < 2 ? "c" : DrawName(random, "s", scenario->servers);
    fault.kind = kind == 0 ? Kind::kKill : kind == 3 ? Kind::kCut : Kind::kPause;
    if (kind == 3) fault.peer = "c";
    fault.direction = DrawDirection(random);
    // A coordinator that is stopped for longer than a lease has missed everybody.
    fault.duration = kind == 0   ? random->Ms(0, 3000)
                     : kind == 1 ? random->Ms(10, 4000)
                                 : random->Ms(10, 600);
    scenario->faults.push_back(fault);
    when += fault.duration + random->Ms(3000, 8000);
  }
}

// ---- Servers that do not ----

std::string DrawPeers(Random* random, const Scenario& scenario) {
  switch (random->Below(6)) {
    case 0:
    case 1:
      return "c";
    case 2:
      return "control";
    case 3:
      return "servers";
    case 4:
      return random->Chance(0.5) ? "all" : "workers";
    default:
      return DrawName(random, "s", scenario.servers);
  }
}

FaultEvent DrawServerFault(Random* random, const Scenario& scenario) {
  FaultEvent fault;
  const uint64_t who = random->Below(10);
  fault.node = who < 6 ? "primary" : who < 8 ? "backup" : DrawName(random, "s", scenario.servers);
  switch (random->Below(10)) {
    case 0:
    case 1:
    case 2:
      fault.kind = Kind::kKill;
      fault.duration = random->Ms(0, 4000);
      break;
    case 3:
    case 4:
      fault.kind = Kind::kPause;
      fault.duration = random->Ms(10, 5000);
      break;
    case 5:
      fault.kind = Kind::kLeave;
      fault.duration = random->Ms(0, 3000);
      break;
    case 6:
      fault.kind = Kind::kSlowLink;
      fault.peer = DrawPeers(random, scenario);
      fault.direction = DrawDirection(random);
      fault.extra = random->Ms(5, 400);
      fault.duration = random->Ms(100, 4000);
      break;
    default:
      fault.kind = Kind::kCut;
      fault.peer = DrawPeers(random, scenario);
      fault.direction = DrawDirection(random);
      fault.duration = random->Ms(10, 6000);
  }
  return fault;
}

void DrawServerFaults(Random* random, Scenario* scenario) {
  absl::Duration when = random->Ms(200, 4000);
  while (when < scenario->calm) {
    scenario->server_faults.push_back(DrawServerFault(random, *scenario));
    scenario->server_faults.back().when = when;
    when += random->Ms(100, 4000);
  }
}

// ---- People ----

// After the calm no server is draining.
void DrawOrders(Random* random, Scenario* scenario) {
  using Order = AdminOrder::Kind;
  const uint32_t spare = std::max<uint32_t>(1, scenario->servers - 1);
  const uint64_t count = random->Below(4);
  for (uint64_t i = 0; i < count; ++i) {
    AdminOrder order;
    order.when = random->Between(absl::Milliseconds(200), scenario->calm);
    switch (random->Below(4)) {
      case 0:
      case 1: {
        order.kind = Order::kDrain;
        order.server = DrawName(random, "s", scenario->servers);
        AdminOrder back = order;
        back.kind = Order::kCancelDrain;
        back.when = order.when + random->Ms(1, 6000);
        if (random->Chance(0.5)) scenario->orders.push_back(back);
        back.when = scenario->calm + kOrdersArrive;
        scenario->orders.push_back(back);
        break;
      }
      case 2:
        order.kind = Order::kRebalance;
        break;
      default:
        order.kind = Order::kScale;
        order.workers = static_cast<uint32_t>(random->Below(9));
        // Fewer copies than there were could leave those that are just dying.
        order.replicas = static_cast<uint32_t>(random->Below(4));
        if (order.replicas < scenario->replicas() && !scenario->reckless) order.replicas = 0;
        order.min_in_sync = std::min({static_cast<uint32_t>(random->Below(3)), spare,
                                      std::max<uint32_t>(1, order.replicas)});
    }
    scenario->orders.push_back(order);
  }
}

// ---- Checkpoints ----

DiskPlan DrawDisk(Random* random) {
  using Fault = DiskPlan::Fault;
  DiskPlan disk;
  disk.write_max = random->Chance(0.5) ? random->Ms(0, 5) : random->Ms(20, 1500);
  const uint64_t kind = random->Below(10);
  disk.fault = kind < 5    ? Fault::kNone
               : kind == 5 ? Fault::kNoSpace
               : kind == 6 ? Fault::kFailedSync
               : kind == 7 ? Fault::kTornWrite
                           : Fault::kRot;
  if (disk.fault != Fault::kNone) disk.chance = random->Chance(0.5) ? 0.003 : 0.05;
  return disk;
}

void DrawPowerLosses(Random* random, Scenario* scenario) {
  for (uint64_t count = random->Between(1, 2); count > 0; --count) {
    PowerLoss loss;
    loss.when = random->Between(scenario->calm / 4, scenario->calm);
    loss.duration = random->Ms(0, 3000);
    loss.coordinator = random->Chance(0.5);
    loss.workers = random->Chance(0.5);
    scenario->power_losses.push_back(loss);
  }
}

}  // namespace

void DrawTrouble(Random* random, Scenario* scenario) {
  DrawLinks(random, scenario);
  const bool endless = scenario->mode == Mode::kSafety;
  scenario->calm = absl::ZeroDuration();
  if (!endless && random->Chance(0.1)) return;
  const bool replicated = scenario->replicas() > 1;
  scenario->calm = endless ? kSafetyEnd : random->Ms(1000, replicated ? 16000 : 12000);
  if (random->Chance(0.6)) DrawSpineFaults(random, scenario);
  if (replicated && random->Chance(0.9)) DrawServerFaults(random, scenario);
  scenario->reckless = replicated && (endless ? random->Chance(0.6) : random->Chance(0.08));
  const uint64_t count = random->Below(endless ? 20 : 10);
  for (uint64_t i = 0; i < count; ++i) {
    scenario->faults.push_back(DrawWorkerFault(random, *scenario));
  }
  if (random->Chance(0.4)) DrawOrders(random, scenario);
}

// With choices of its own: what else a seed stands for does not depend on it.
void DrawCheckpoints(Scenario* scenario) {
  Random random(scenario->seed, "checkpoints");
  if (!random.Chance(0.5)) return;
  const v1::TrainSpec& train = scenario->spec.train();
  const uint64_t runs = scenario->total_shards() / train.shards_per_push();
  v1::CheckpointSpec* spec = scenario->spec.mutable_checkpoint();
  spec->set_path("/disk/checkpoints");
  spec->set_every_rounds(random.Between(1, 1 + runs / 3));
  spec->set_keep(static_cast<uint32_t>(random.Between(1, 3)));
  scenario->disk = DrawDisk(&random);
  for (uint64_t i = random.Below(3); i > 0; --i) {
    scenario->checkpoint_orders.push_back(random.Ms(300, 8000));
  }
  if (scenario->calm < absl::Seconds(1)) return;
  if (random.Chance(0.5)) DrawPowerLosses(&random, scenario);
  if (scenario->reckless || !random.Chance(0.4)) return;
  scenario->reckless = true;
  if (scenario->server_faults.empty()) DrawServerFaults(&random, scenario);
}

void DrawStoreFaults(Scenario* scenario) {
  Random random(scenario->seed, "store");
  if (scenario->calm < absl::Seconds(1) || !random.Chance(0.3)) return;
  for (uint64_t i = random.Between(1, 3); i > 0; --i) {
    StoreFault fault;
    fault.when = random.Between(absl::ZeroDuration(), scenario->calm);
    fault.duration = random.Chance(0.7) ? random.Ms(10, 3000) : random.Ms(3000, 10000);
    fault.is_known = random.Chance(0.5);
    scenario->store_faults.push_back(fault);
  }
}

// Fresh seeds are larger: they come when what elections have found is mended (docs/guarantees.md,
// "Found and not mended").
constexpr uint64_t kElectionsBelow = 1'000'000;

void DrawElections(Scenario* scenario) {
  Random random(scenario->seed, "elections");
  if (scenario->seed >= kElectionsBelow) return;
  if (scenario->replicas() == 1 || !random.Chance(0.3)) return;
  scenario->elects = true;
  std::vector<FaultEvent>& faults = scenario->faults;
  const auto of_coordinator = std::stable_partition(
      faults.begin(), faults.end(), [](const FaultEvent& fault) { return fault.node != "c"; });
  std::vector<FaultEvent> moved(of_coordinator, faults.end());
  faults.erase(of_coordinator, faults.end());
  if (scenario->calm < absl::Seconds(1)) return;
  for (uint64_t i = random.Below(4); i > 0; --i) {
    FaultEvent& fault = moved.emplace_back(DrawServerFault(&random, *scenario));
    fault.when = random.Between(absl::ZeroDuration(), scenario->calm);
    if (random.Chance(0.5)) continue;
    fault.kind = Kind::kCut;
    fault.peer = "etcd";
    fault.duration = random.Ms(100, 8000);
  }
  for (FaultEvent& fault : moved) {
    fault.node = "coordinator";
    scenario->server_faults.push_back(fault);
  }
}

void DrawCancel(Scenario* scenario) {
  Random random(scenario->seed, "cancel");
  if (random.Chance(0.07)) scenario->cancel = random.Ms(100, 6000);
}

void DrawDrained(Scenario* scenario) {
  Random random(scenario->seed, "drained");
  const bool has_place = scenario->servers > scenario->replicas();
  if (scenario->mode != Mode::kLiveness || !has_place || !random.Chance(0.1)) return;
  scenario->drained = DrawName(&random, "s", scenario->servers);
  std::vector<AdminOrder>& orders = scenario->orders;
  const auto contradicts = [scenario](const AdminOrder& order) {
    return order.server == scenario->drained || order.replicas > scenario->replicas();
  };
  orders.erase(std::remove_if(orders.begin(), orders.end(), contradicts), orders.end());
  AdminOrder order;
  order.server = scenario->drained;
  order.when = random.Between(absl::Milliseconds(200), absl::Seconds(4));
  orders.push_back(order);
  // Its processes since may have come without a word of it.
  order.when = scenario->calm + kOrdersArrive;
  orders.push_back(order);
  const absl::Duration length = order.when + random.Ms(10000, 25000);
  const auto workers = static_cast<int64_t>(scenario->workers.size());
  const absl::Duration compute = length * workers / static_cast<int64_t>(scenario->total_shards());
  for (WorkerPlan& worker : scenario->workers) {
    worker.compute = std::min(random.Between(compute / 2, 2 * compute), absl::Seconds(10));
  }
}

}  // namespace paceline::sim
