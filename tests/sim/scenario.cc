#include "tests/sim/scenario.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/job/job_spec.h"
#include "common/job/round_plan.h"
#include "tests/sim/random.h"

namespace paceline::sim {
namespace {

using Ms = int64_t;

absl::Duration DrawMs(Random* random, Ms low, Ms high) {
  return absl::Milliseconds(
      random->Between(static_cast<uint64_t>(low), static_cast<uint64_t>(high)));
}

v1::ConsistencySpec DrawConsistency(Random* random) {
  v1::ConsistencySpec consistency;
  switch (random->Below(5)) {
    case 0:
    case 1:
      consistency.mutable_sync();
      break;
    case 2:
    case 3:
      consistency.mutable_ssp()->set_staleness(static_cast<uint32_t>(random->Below(4)));
      break;
    default:
      v1::AsyncMode* async = consistency.mutable_async();
      if (random->Chance(0.5)) async->set_max_staleness(random->Below(6));
      if (async->has_max_staleness() && random->Chance(0.4)) {
        async->set_on_stale(v1::AsyncMode::DAMP);
      }
  }
  return consistency;
}

// One feature in: a linear layer's weight and bias have as many elements as it has units.
void DrawModel(Random* random, uint64_t total_shards, v1::JobSpec* spec) {
  const auto add = [spec](uint32_t units) {
    spec->mutable_model()->add_layers()->mutable_linear()->set_units(units);
  };
  spec->mutable_model()->set_loss(v1::ModelSpec::SOFTMAX_CROSS_ENTROPY);
  const uint32_t servers = spec->fleet().servers();
  // Each data shard has slots of its own among the biases, which start at 0.
  if (servers == 1) return add(static_cast<uint32_t>(total_shards + random->Between(20, 200)));
  // 16384 elements a partition are what a second or third one is worth; every partition gets a
  // good part of some bias.
  for (uint32_t i = 0; i < servers; ++i) {
    if (i > 0) add(1);
    add(8192);
  }
}

void DrawOptimizer(Random* random, Scenario* scenario) {
  v1::OptimizerSpec* optimizer = scenario->spec.mutable_optimizer();
  const bool sync = scenario->spec.consistency().has_sync() && scenario->mode_changes.empty();
  scenario->gradients_follow_parameters = sync && random->Chance(0.7);
  if (sync && random->Chance(0.4)) {
    optimizer->mutable_adam()->set_learning_rate(0.01f);
  } else {
    optimizer->mutable_sgd()->set_learning_rate(random->Chance(0.5) ? 0.5f : 0.25f);
  }
  if (sync && random->Chance(0.3)) optimizer->set_clip_global_norm(0.5f);
}

// How the data are cut. Mostly in powers of two, so that means are exact.
void DrawWork(Random* random, Scenario* scenario) {
  scenario->is_exact = random->Chance(0.7);
  const bool exact = scenario->is_exact;
  const uint64_t shard_samples = exact ? uint64_t{1} << random->Below(4) : random->Between(1, 9);
  const uint64_t round = exact ? uint64_t{1} << random->Below(5) : random->Between(1, 20);
  const uint64_t push =
      exact ? std::max<uint64_t>(1, round >> random->Below(2)) : random->Between(1, round);
  const uint64_t rounds_per_epoch = random->Between(1, 10);
  const uint64_t whole = rounds_per_epoch * round * shard_samples;
  scenario->spec.mutable_data()->set_shard_samples(static_cast<uint32_t>(shard_samples));
  v1::TrainSpec* train = scenario->spec.mutable_train();
  train->set_shards_per_round(static_cast<uint32_t>(round));
  train->set_shards_per_push(static_cast<uint32_t>(push));
  train->set_epochs(static_cast<uint32_t>(random->Between(1, 3)));
  scenario->facts.set_train_samples(exact ? whole : random->Between(1, whole));
}

void DrawJob(Random* random, Scenario* scenario) {
  v1::JobSpec& spec = scenario->spec;
  spec.set_name("sim");
  spec.set_seed(random->Below(1000));
  spec.mutable_fleet()->set_servers(random->Chance(0.7) ? 1 : 2 + random->Below(2));
  spec.mutable_fleet()->set_workers(static_cast<uint32_t>(scenario->workers.size()));
  *spec.mutable_consistency() = DrawConsistency(random);
  spec.mutable_data()->set_format(v1::DataSpec::CSV);
  spec.mutable_data()->mutable_train()->set_path("/samples.csv");
  scenario->facts.set_features(1);
  scenario->facts.set_eval_samples(random->Chance(0.3) ? 16 : 0);
  scenario->facts.set_fingerprint(std::string(64, 'a'));
  DrawWork(random, scenario);

  const uint64_t changes = random->Chance(0.35) ? random->Between(1, 3) : 0;
  for (uint64_t i = 0; i < changes; ++i) {
    scenario->mode_changes.push_back({DrawMs(random, 300, 5000), DrawConsistency(random)});
  }
  DrawModel(random, scenario->total_shards(), &spec);
  DrawOptimizer(random, scenario);
  const absl::Status status = ResolveJobSpec(&spec);
  PACELINE_CHECK(status.ok());
}

void DrawWorkers(Random* random, Scenario* scenario) {
  const uint64_t count = random->Between(1, 8);
  const Ms compute = static_cast<Ms>(random->Between(1, 80));
  for (uint64_t i = 0; i < count; ++i) {
    WorkerPlan worker;
    const bool late = i > 0 && random->Chance(0.3);
    worker.start = late ? DrawMs(random, 500, 6000) : DrawMs(random, 0, 100);
    worker.compute = DrawMs(random, std::max<Ms>(1, compute / 2), 2 * compute);
    worker.read_data = DrawMs(random, 1, 300);
    scenario->workers.push_back(worker);
  }
}

void DrawLinks(Random* random, Scenario* scenario) {
  scenario->call_timeout = DrawMs(random, 500, 10000);
  LinkFaults& links = scenario->links;
  links.delay_max = absl::Microseconds(random->Between(100, 20000));
  if (random->Chance(0.15)) return;  // A quiet network.
  const double scale = random->Chance(0.5) ? 0.01 : 0.05;
  links.lose = scale * random->Fraction() * 0.5;
  links.reset = scale * random->Fraction();
  links.duplicate = 3 * scale * random->Fraction();
  links.straggle = scale * random->Fraction();
  links.straggle_max = DrawMs(random, 50, 5000);
  // A server that the coordinator does not hear of for a lease takes its jobs with it, so these
  // links break often but recover fast.
  LinkFaults& spine = scenario->spine;
  spine.reset = links.reset;
  spine.duplicate = links.duplicate;
  spine.straggle = links.straggle;
  spine.straggle_max = absl::Milliseconds(300);
}

std::string DrawName(Random* random, const char* prefix, uint64_t count) {
  return absl::StrCat(prefix, random->Below(count));
}

FaultEvent DrawWorkerFault(Random* random, const Scenario& scenario) {
  FaultEvent fault;
  fault.when = DrawMs(random, 0, absl::ToInt64Milliseconds(scenario.calm));
  fault.node = DrawName(random, "w", scenario.workers.size());
  switch (random->Below(6)) {
    case 0:
    case 1:
      fault.kind = FaultEvent::Kind::kKill;
      fault.duration = DrawMs(random, 0, 4000);
      break;
    case 2:
      fault.kind = FaultEvent::Kind::kPause;
      fault.duration = DrawMs(random, 10, 5000);
      break;
    case 3:
      fault.kind = FaultEvent::Kind::kLeave;
      fault.duration = DrawMs(random, 0, 3000);
      break;
    case 4:
      fault.kind = FaultEvent::Kind::kSlow;
      fault.duration = DrawMs(random, 100, 3000);
      break;
    default:
      fault.kind = FaultEvent::Kind::kCut;
      fault.peer = random->Chance(0.5) ? "c" : DrawName(random, "s", scenario.servers);
      fault.duration = DrawMs(random, 10, 4000);
  }
  return fault;
}

// One after the other, with time between them: together they would keep a server from its lease.
void DrawSpineFaults(Random* random, Scenario* scenario) {
  absl::Duration when = DrawMs(random, 0, 2000);
  while (when < scenario->calm) {
    FaultEvent fault;
    fault.when = when;
    const uint64_t kind = random->Below(4);
    fault.node = kind < 2 ? "c" : DrawName(random, "s", scenario->servers);
    fault.kind = kind == 0   ? FaultEvent::Kind::kKill
                 : kind == 3 ? FaultEvent::Kind::kCut
                             : FaultEvent::Kind::kPause;
    if (kind == 3) fault.peer = "c";
    // A coordinator that is stopped for longer than a lease has missed everybody.
    fault.duration = kind == 0   ? DrawMs(random, 0, 3000)
                     : kind == 1 ? DrawMs(random, 10, 4000)
                                 : DrawMs(random, 10, 600);
    scenario->faults.push_back(fault);
    when += fault.duration + DrawMs(random, 3000, 8000);
  }
}

void DrawFaults(Random* random, Scenario* scenario) {
  scenario->calm = absl::ZeroDuration();
  if (random->Chance(0.1)) return;
  scenario->calm = DrawMs(random, 1000, 12000);
  if (random->Chance(0.6)) DrawSpineFaults(random, scenario);
  const uint64_t count = random->Below(10);
  for (uint64_t i = 0; i < count; ++i) {
    scenario->faults.push_back(DrawWorkerFault(random, *scenario));
  }
}

}  // namespace

uint64_t Scenario::shards_per_epoch() const {
  return ShardsPerEpoch(facts.train_samples(), spec.data().shard_samples());
}

uint64_t Scenario::total_shards() const { return shards_per_epoch() * spec.train().epochs(); }

uint64_t Scenario::SamplesOf(uint64_t ordinal) const {
  const uint64_t before = ordinal % shards_per_epoch() * spec.data().shard_samples();
  return std::min<uint64_t>(spec.data().shard_samples(), facts.train_samples() - before);
}

std::string Scenario::Summary() const {
  std::string text = absl::StrCat(
      spec.consistency().ShortDebugString(), " workers=", workers.size(), " servers=", servers,
      " shards=", total_shards(), " round=", spec.train().shards_per_round(),
      " push=", spec.train().shards_per_push(), " epochs=", spec.train().epochs(), " optimizer={",
      spec.optimizer().ShortDebugString(), "}");
  for (const ModeChange& change : mode_changes) {
    absl::StrAppend(&text, " then ", change.consistency.ShortDebugString());
  }
  return absl::StrCat(text, " faults=", faults.size(), " calm=", absl::FormatDuration(calm));
}

Scenario MakeScenario(uint64_t seed) {
  Random random(seed, "scenario");
  Scenario scenario;
  scenario.seed = seed;
  DrawWorkers(&random, &scenario);
  DrawJob(&random, &scenario);
  scenario.servers = scenario.spec.fleet().servers() + (random.Chance(0.2) ? 1 : 0);
  DrawLinks(&random, &scenario);
  DrawFaults(&random, &scenario);
  return scenario;
}

Scenario Undisturbed(const Scenario& scenario) {
  Scenario quiet = scenario;
  quiet.spec.mutable_fleet()->set_servers(1);
  quiet.spec.mutable_fleet()->set_workers(1);
  quiet.servers = 1;
  quiet.workers.assign(1, {absl::ZeroDuration(), absl::Milliseconds(1), absl::Milliseconds(1)});
  quiet.links = LinkFaults();
  quiet.spine = LinkFaults();
  quiet.faults.clear();
  quiet.calm = absl::ZeroDuration();
  quiet.call_timeout = absl::Seconds(10);
  return quiet;
}

}  // namespace paceline::sim
