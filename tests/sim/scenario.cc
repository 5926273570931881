#include "tests/sim/scenario.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/job/job_spec.h"
#include "common/job/job_work.h"
#include "tests/sim/random.h"
#include "tests/sim/trouble.h"

namespace paceline::sim {
namespace {

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

void DrawReplicas(Random* random, Scenario* scenario) {
  v1::FleetSpec* fleet = scenario->spec.mutable_fleet();
  const uint64_t kind = random->Below(10);
  const uint32_t replicas = kind < 3 ? 1 : kind < 8 ? 2 : 3;
  fleet->set_replicas(replicas);
  if (replicas > 1 && random->Chance(0.3)) fleet->set_min_in_sync(2);
  scenario->servers = std::max(fleet->servers(), replicas);
  scenario->servers +=
      static_cast<uint32_t>(replicas == 1 ? random->Below(5) / 4 : random->Below(3));
  if (random->Chance(0.3)) scenario->zones = static_cast<uint32_t>(random->Between(1, 3));
  scenario->digest_interval = random->Between(1, 40);
  scenario->log_entries = random->Between(1, 8);
}

// Without rounds, and a draw of its own, so that the other seeds stay what they are.
void DrawAcks(Scenario* scenario) {
  Random random(scenario->seed, "acks");
  std::vector<v1::ConsistencySpec*> modes = {scenario->spec.mutable_consistency()};
  for (ModeChange& change : scenario->mode_changes) modes.push_back(&change.consistency);
  if (scenario->replicas() == 1 || !random.Chance(0.3)) return;
  scenario->spec.mutable_fleet()->set_acks(v1::FleetSpec::LEADER);
  for (v1::ConsistencySpec* mode : modes) {
    while (!mode->has_ssp() && !mode->has_async()) *mode = DrawConsistency(&random);
  }
}

// Some of the rounds are closed by a quorum: a draw of its own as well.
void DrawQuorum(Scenario* scenario) {
  Random random(scenario->seed, "quorum");
  std::vector<v1::ConsistencySpec*> modes = {scenario->spec.mutable_consistency()};
  for (ModeChange& change : scenario->mode_changes) modes.push_back(&change.consistency);
  for (v1::ConsistencySpec* mode : modes) {
    if (!mode->has_sync() || !random.Chance(0.3)) continue;
    v1::QuorumMode* quorum = mode->mutable_quorum();
    quorum->set_workers(static_cast<uint32_t>(random.Between(1, scenario->workers.size())));
    quorum->set_grace(static_cast<double>(random.Below(5)));
    if (!random.Chance(0.6)) continue;
    quorum->set_on_late(v1::QuorumMode::CARRY);
    quorum->set_carry_weight(1.0 / static_cast<double>(uint64_t{1} << random.Below(3)));
  }
}

// Long enough for servers to die in, one after the other.
void StretchJob(Random* random, Scenario* scenario) {
  const absl::Duration length = random->Ms(2000, 12000);
  const auto workers = static_cast<int64_t>(scenario->workers.size());
  const absl::Duration mean = length * workers / static_cast<int64_t>(scenario->total_shards());
  const absl::Duration compute = std::min(mean, absl::Milliseconds(400));
  for (WorkerPlan& worker : scenario->workers) {
    worker.compute = random->Between(compute / 2, 2 * compute) + absl::Microseconds(100);
  }
}

void DrawJob(Random* random, Scenario* scenario) {
  v1::JobSpec& spec = scenario->spec;
  spec.set_name("sim");
  spec.set_seed(random->Below(1000));
  spec.mutable_fleet()->set_servers(random->Chance(0.7) ? 1 : 2 + random->Below(2));
  spec.mutable_fleet()->set_workers(static_cast<uint32_t>(scenario->workers.size()));
  DrawReplicas(random, scenario);
  *spec.mutable_consistency() = DrawConsistency(random);
  spec.mutable_data()->set_format(v1::DataSpec::CSV);
  spec.mutable_data()->mutable_train()->set_path("/samples.csv");
  scenario->facts.set_features(1);
  scenario->facts.set_eval_samples(random->Chance(0.3) ? 16 : 0);
  scenario->facts.set_fingerprint(std::string(64, 'a'));
  DrawWork(random, scenario);

  const uint64_t changes = random->Chance(0.35) ? random->Between(1, 3) : 0;
  for (uint64_t i = 0; i < changes; ++i) {
    scenario->mode_changes.push_back({random->Ms(300, 5000), DrawConsistency(random)});
  }
  DrawAcks(scenario);
  DrawModel(random, scenario->total_shards(), &spec);
  DrawOptimizer(random, scenario);
  DrawQuorum(scenario);
  if (scenario->replicas() > 1) StretchJob(random, scenario);
}

void DrawWorkers(Random* random, Scenario* scenario) {
  const uint64_t count = random->Between(1, 8);
  const auto compute = static_cast<int64_t>(random->Between(1, 80));
  for (uint64_t i = 0; i < count; ++i) {
    WorkerPlan worker;
    const bool late = i > 0 && random->Chance(0.3);
    worker.start = late ? random->Ms(500, 6000) : random->Ms(0, 100);
    worker.compute = random->Ms(std::max<int64_t>(1, compute / 2), 2 * compute);
    worker.read_data = random->Ms(1, 300);
    scenario->workers.push_back(worker);
  }
}

std::string CheckpointSummary(const Scenario& scenario) {
  if (!scenario.spec.has_checkpoint()) return "";
  const v1::CheckpointSpec& spec = scenario.spec.checkpoint();
  const DiskPlan& disk = scenario.disk;
  return absl::StrCat(
      " checkpoints={", spec.ShortDebugString(), " asked for=", scenario.checkpoint_orders.size(),
      " write=", absl::FormatDuration(disk.write_max), " fault=", static_cast<int>(disk.fault), "/",
      disk.chance, " power losses=", scenario.power_losses.size(), "}");
}

}  // namespace

uint64_t Scenario::shards_per_epoch() const { return ShardsPerEpoch(spec, facts); }

uint64_t Scenario::total_shards() const { return shards_per_epoch() * spec.train().epochs(); }

bool Scenario::has_quorum() const {
  return spec.consistency().has_quorum() ||
         std::any_of(mode_changes.begin(), mode_changes.end(),
                     [](const ModeChange& change) { return change.consistency.has_quorum(); });
}

uint64_t Scenario::SamplesOf(uint64_t ordinal) const {
  const uint64_t before = ordinal % shards_per_epoch() * spec.data().shard_samples();
  return std::min<uint64_t>(spec.data().shard_samples(), facts.train_samples() - before);
}

std::string Scenario::Summary() const {
  std::string text = absl::StrCat(
      spec.consistency().ShortDebugString(), " workers=", workers.size(), " servers=", servers,
      elects ? " (elect)" : "", " replicas=", replicas(), ahead() > 0 ? " acks=leader" : "",
      " min_in_sync=", spec.fleet().min_in_sync(), " shards=", total_shards(),
      " round=", spec.train().shards_per_round(), " push=", spec.train().shards_per_push(),
      " epochs=", spec.train().epochs(), " optimizer={", spec.optimizer().ShortDebugString(), "}");
  for (const ModeChange& change : mode_changes) {
    absl::StrAppend(&text, " then ", change.consistency.ShortDebugString());
  }
  return absl::StrCat(text, " faults=", faults.size(), "+", server_faults.size(),
                      reckless ? " (reckless)" : "", " orders=", orders.size(),
                      drained.empty() ? "" : absl::StrCat(" drained=", drained),
                      is_cancelled() ? absl::StrCat(" cancelled at ", absl::FormatDuration(cancel))
                                     : "",
                      " store faults=", store_faults.size(),
                      CheckpointSummary(*this), " calm=", absl::FormatDuration(calm));
}

Scenario MakeScenario(uint64_t seed, Mode mode) {
  Random random(seed, "scenario");
  Scenario scenario;
  scenario.seed = seed;
  scenario.mode = mode;
  DrawWorkers(&random, &scenario);
  DrawJob(&random, &scenario);
  DrawTrouble(&random, &scenario);
  DrawCheckpoints(&scenario);
  DrawStoreFaults(&scenario);
  DrawElections(&scenario);
  DrawCancel(&scenario);
  DrawDrained(&scenario);
  PACELINE_CHECK(ResolveJobSpec(&scenario.spec).ok());
  return scenario;
}

Scenario Undisturbed(const Scenario& scenario) {
  Scenario quiet = scenario;
  quiet.spec.mutable_fleet()->set_servers(1);
  quiet.spec.mutable_fleet()->set_workers(1);
  quiet.spec.mutable_fleet()->set_replicas(1);
  quiet.spec.mutable_fleet()->set_min_in_sync(1);
  quiet.servers = 1;
  quiet.zones = 0;
  quiet.elects = false;
  quiet.mode = Mode::kLiveness;
  quiet.workers.assign(1, {absl::ZeroDuration(), absl::Milliseconds(1), absl::Milliseconds(1)});
  quiet.skew = ClockSkew();
  quiet.links = LinkFaults();
  quiet.spine = LinkFaults();
  quiet.peers = LinkFaults();
  quiet.faults.clear();
  quiet.server_faults.clear();
  quiet.orders.clear();
  quiet.drained.clear();
  quiet.cancel = absl::InfiniteDuration();
  quiet.store_faults.clear();
  quiet.power_losses.clear();
  quiet.checkpoint_orders.clear();
  quiet.spec.clear_checkpoint();
  quiet.calm = absl::ZeroDuration();
  quiet.call_timeout = absl::Seconds(10);
  return quiet;
}

}  // namespace paceline::sim
