#include "tests/chaos/chaos.h"

#include <signal.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdio>
#include <optional>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"

namespace paceline::chaos {
namespace {

constexpr char kCoordinator[] = "coordinator";

// The newest word on the job, if the coordinator is there to say it.
std::optional<Json> TryStatus(const Fleet& fleet, const std::vector<std::string>& arguments) {
  const CommandResult result = fleet.Paceline(arguments);
  if (result.exit_code != 0) return std::nullopt;
  return result.json();
}

std::vector<std::string> Names(const std::string& kind, int count) {
  std::vector<std::string> names;
  for (int i = 0; i < count; ++i) names.push_back(absl::StrCat(kind, "-", i));
  return names;
}

bool IsUnderWay(const std::string& state) {
  return state == "WAITING" || state == "RUNNING" || state == "EVALUATING";
}

}  // namespace

std::string MakeTrainingSpec(const std::string& path, int epochs) {
  const std::string data = "/usr/share/datasets/fashion-mnist/";
  const auto set = [&data](const std::string& name) {
    return absl::StrCat("{images: ", data, name, "-images-idx3-ubyte.gz, labels: ", data, name,
                        "-labels-idx1-ubyte.gz}");
  };
  WriteText(path, absl::StrCat("name: fashion\nseed: 7\ndata: {format: idx, train: ", set("train"),
                               ", eval: ", set("t10k"),
                               ", shard_samples: 32}\n"
                               "model: {layers: [{linear: 128}, relu, {linear: 10}], "
                               "loss: softmax_cross_entropy}\n"
                               "train: {shards_per_round: 8, epochs: ",
                               epochs, "}\noptimizer: {adam: {learning_rate: 0.002}}\n"));
  return path;
}

std::string UndisturbedBits(int epochs) {
  const std::string folder = TestFolder("undisturbed");
  return RunToEnd(MakeTrainingSpec(folder + "/job.yaml", epochs))["weights_sha256"];
}

// ---- Trouble ----

ProcessTrouble::ProcessTrouble(Fleet* fleet, std::string job, uint64_t seed, int replicas,
                               std::vector<std::string> servers,
                               std::vector<std::string> workers)
    : fleet_(fleet),
      job_(std::move(job)),
      replicas_(replicas),
      servers_(std::move(servers)),
      workers_(std::move(workers)),
      start_(absl::Now()),
      random_(seed, "chaos"),
      next_(start_) {}

void ProcessTrouble::Say(const std::string& what) const {
  std::printf("%6.1f s  %s\n", absl::ToDoubleSeconds(absl::Now() - start_), what.c_str());
  std::fflush(stdout);
}

void ProcessTrouble::Step() {
  for (auto it = away_.begin(); it != away_.end();) {
    if (absl::Now() < it->second.until) {
      ++it;
      continue;
    }
    BringBack(it->first, it->second.harm);
    it = away_.erase(it);
  }
  if (absl::Now() < next_) return;
  next_ = absl::Now() + random_.Ms(500, 3000);
  const uint64_t what = random_.Below(10);
  if (what < 5) {
    HitServers(what == 0);
  } else if (what < 8) {
    HitWorkers();
  } else {
    HitCoordinator();
  }
}

void ProcessTrouble::End() {
  for (const auto& [name, absence] : away_) BringBack(name, absence.harm);
  away_.clear();
}

void ProcessTrouble::BringBack(const std::string& name, Harm harm) {
  Say(absl::StrCat(harm == Harm::kKill ? "start " : "continue ", name));
  if (harm == Harm::kStop) {
    fleet_->process(name).Signal(SIGCONT);
  } else if (name == kCoordinator) {
    fleet_->RestartCoordinator();
  } else if (std::count(servers_.begin(), servers_.end(), name) > 0) {
    fleet_->StartServer(name);
  } else {
    fleet_->StartWorker(name);
  }
}

void ProcessTrouble::Hit(const std::string& name, Harm harm, absl::Duration duration) {
  const std::string verb = harm == Harm::kKill ? "kill" : "stop";
  Say(absl::StrCat(verb, " ", name, " for ", absl::FormatDuration(duration)));
  ++done_[absl::StrCat(verb, " ", name.substr(0, name.find('-')))];
  if (harm == Harm::kKill) {
    fleet_->Kill(name);
  } else {
    fleet_->process(name).Signal(SIGSTOP);
  }
  away_[name] = {harm, absl::Now() + duration};
}

std::vector<std::string> ProcessTrouble::Well(std::vector<std::string> names) {
  names.erase(std::remove_if(names.begin(), names.end(),
                             [this](const std::string& name) { return IsAway(name); }),
              names.end());
  for (size_t i = names.size(); i > 1; --i) std::swap(names[i - 1], names[random_.Below(i)]);
  return names;
}

// The victims are stopped when this looks: what the coordinator then counts as in sync on another
// server has all that a victim has committed.
bool ProcessTrouble::Survives() const {
  const std::optional<Json> fleet = TryStatus(*fleet_, {"status", "--json"});
  const std::optional<Json> job = TryStatus(*fleet_, {"status", job_, "--json"});
  if (!fleet.has_value() || !job.has_value() || (*job)["state"] != "RUNNING") return false;
  std::set<std::pair<std::string, uint64_t>> well;
  for (const Json& server : (*fleet)["servers"]) {
    const std::string id = server["server"]["id"];
    const bool is_it = std::count(servers_.begin(), servers_.end(), id) > 0 &&
                       Number(server["pid"]) == static_cast<uint64_t>(fleet_->process(id).pid());
    if (is_it && !IsAway(id)) well.emplace(id, Number(server["server"]["incarnation"]));
  }
  return std::all_of(
      (*job)["placement"].begin(), (*job)["placement"].end(), [&well](const Json& place) {
        return std::any_of(
            place["replicas"].begin(), place["replicas"].end(), [&well](const Json& replica) {
              return replica["in_sync"] == true &&
                     well.count({replica["server"], Number(replica["server_incarnation"])}) > 0;
            });
      });
}

void ProcessTrouble::HitServers(bool coordinator_too) {
  std::vector<std::string> victims = Well(servers_);
  const size_t most = static_cast<size_t>(replicas_ - 1);
  const size_t count = std::min<size_t>(victims.size(), random_.Between(1, most));
  victims.resize(count);
  const Harm harm = AnyHarm();
  const absl::Duration duration = random_.Ms(100, 4000);
  if (victims.empty() || IsAway(kCoordinator)) return;

  for (const std::string& victim : victims) {
    fleet_->process(victim).Signal(SIGSTOP);
    away_[victim] = {Harm::kStop, absl::Now()};
  }
  if (!Survives()) {
    for (const std::string& victim : victims) {
      fleet_->process(victim).Signal(SIGCONT);
      away_.erase(victim);
    }
    return;
  }
  if (coordinator_too) Hit(kCoordinator, harm, random_.Ms(100, 3000));
  for (const std::string& victim : victims) Hit(victim, harm, duration);
}

void ProcessTrouble::HitWorkers() {
  std::vector<std::string> victims = Well(workers_);
  if (victims.empty()) return;
  victims.resize(random_.Between(1, victims.size()));
  for (const std::string& victim : victims) Hit(victim, AnyHarm(), random_.Ms(100, 5000));
}

void ProcessTrouble::HitCoordinator() {
  if (!IsAway(kCoordinator)) Hit(kCoordinator, AnyHarm(), random_.Ms(100, 4000));
}

bool ProcessTrouble::HidesCoordinator() const { return IsAway(kCoordinator); }

std::string ProcessTrouble::Done() const {
  return absl::StrJoin(done_, ", ", absl::PairFormatter(": "));
}

// ---- A run ----

namespace {

// How much slower than they could the workers are.
constexpr int kSlowdown = 8;

// Every sample once, and every partition's log holds the whole job.
void CheckWhole(const Json& summary, const Json& status, int epochs) {
  CheckCountedOnce(summary, status, static_cast<uint64_t>(epochs));
  const uint64_t version = Number(status["version_total"]);
  CHECK(Number(status["version"]) == version);
  for (const Json& partition : status["partitions"]) {
    INFO(partition.dump());
    CHECK(Number(partition["version"]) == version);
    CHECK(Number(partition["last_index"]) == version);
    CHECK(Number(partition["committed_index"]) == version);
    CHECK(Number(partition["pushes_invalid"]) == 0);
  }
}

}  // namespace

std::vector<std::string> ServersOf(const RunOptions& options) {
  return Names("server", options.replicas + 1);
}
std::vector<std::string> Workers() { return Names("worker", 3); }

void TrainInTrouble(const RunOptions& options, const std::string& bits) {
  const std::vector<std::string> servers = ServersOf(options);
  const std::vector<std::string> workers = Workers();
  FleetOptions fleet_options;
  fleet_options.servers = static_cast<int>(servers.size());
  fleet_options.workers = static_cast<int>(workers.size());
  fleet_options.separate_coordinator = true;
  fleet_options.server_flags = {"--insecure"};
  fleet_options.worker_flags = {absl::StrCat("--slowdown=", kSlowdown)};
  fleet_options.host = options.host;
  Fleet fleet(fleet_options);
  std::printf("%s, %d copies on %d servers, %d epochs, seed %llu\n", options.consistency.c_str(),
              options.replicas, fleet_options.servers, options.epochs,
              static_cast<unsigned long long>(options.seed));
  const std::string job = fleet.Submit(
      MakeTrainingSpec(TestFolder("chaos") + "/job.yaml", options.epochs),
      {"consistency=" + options.consistency,
       absl::StrCat("fleet={workers: ", workers.size(), ", servers: ", servers.size(),
                    ", replicas: ", options.replicas, "}")});
  REQUIRE(fleet.Reached(job, 0.01));

  const std::unique_ptr<Trouble> trouble =
      options.trouble != nullptr
          ? options.trouble(&fleet, job)
          : std::make_unique<ProcessTrouble>(&fleet, job, options.seed, options.replicas, servers,
                                             workers);
  // Many times what it takes: a job that stands still.
  const absl::Time end = absl::Now() + absl::Seconds(120) + absl::Seconds(120) * options.epochs;
  std::string state = "RUNNING";
  while (IsUnderWay(state) && absl::Now() < end) {
    trouble->Step();
    absl::SleepFor(absl::Milliseconds(200));
    if (trouble->HidesCoordinator()) continue;
    const std::optional<Json> status = TryStatus(fleet, {"status", job, "--json"});
    if (status.has_value()) state = (*status)["state"];
  }
  trouble->End();
  INFO("seed " << options.seed << ": " << trouble->Done());
  const Json summary = fleet.Wait(job);
  CheckWhole(summary, fleet.Status(job), options.epochs);
  if (options.consistency == "sync") CHECK(summary["weights_sha256"] == bits);
  WARN(options.consistency << ", " << options.replicas << " copies, seed " << options.seed << ": "
                           << trouble->Done() << "; " << summary["wall_s"].get<double>()
                           << " s, weights "
                           << summary["weights_sha256"].get<std::string>().substr(0, 8));
}

}  // namespace paceline::chaos
