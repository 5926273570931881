// What a dead server costs: the pause of a job, the samples/s of a training whose servers are killed
// again and again, and what copies cost when nobody dies; beside them a training without copies that
// goes back to its last checkpoint.
//
//   failover --into FOLDER [--quick]       # from the folder with the programs, bazel-bin
//
// Writes to FOLDER: measures.csv (measure, of what, value, unit), pauses-kill.dat and
// pauses-stop.dat (seconds, ascending), progress-*.dat (seconds, samples).
#define CATCH_CONFIG_RUNNER
#include <signal.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/control_client.h"
#include "client/parameter_client.h"
#include "tests/chaos/chaos.h"
#include "tests/integration/fleet.h"
#include "tests/integration/replicated_job.h"

namespace paceline {
namespace {

constexpr int kServers = 3;
constexpr int kWorkers = 4;
constexpr absl::Duration kBetweenKills = absl::Seconds(10);
constexpr absl::Duration kDead = absl::Seconds(1);
// An exchange that takes longer has met a server that was gone.
constexpr absl::Duration kPause = absl::Milliseconds(100);

std::string into = ".";
bool quick = false;

double Seconds(absl::Duration duration) { return absl::ToDoubleSeconds(duration); }

void Report(const std::string& measure, const std::string& of, double value,
            const std::string& unit) {
  const std::string line = absl::StrCat(measure, ",", of, ",", value, ",", unit);
  std::printf("%s\n", line.c_str());
  std::fflush(stdout);
  std::ofstream(into + "/measures.csv", std::ios::app) << line << "\n";
}

// Of sorted values.
double Quantile(const std::vector<double>& values, double share) {
  const double last = static_cast<double>(values.size() - 1);
  return values[static_cast<size_t>(share * last + 0.5)];
}

FleetOptions Servers(int workers) {
  FleetOptions options;
  options.servers = kServers;
  options.workers = workers;
  options.separate_coordinator = true;
  return options;
}

// A client that exchanges without a break.
class Exchanger {
 public:
  Exchanger(Fleet* fleet, int elements, int replicas) : fleet_(fleet) {
    const std::string folder = TestFolder("bare");
    WriteText(folder + "/job.yaml",
              absl::StrCat("name: bare\nmodel: {parameters: [{name: w, shape: [", elements,
                           "], initial: 0}]}\noptimizer: {sgd: {learning_rate: 0.5}}\n"
                           "consistency: async\nfleet: {servers: ",
                           kServers, ", replicas: ", replicas, "}\n"));
    job_ = fleet_->Submit(folder + "/job.yaml");
    auto client = ParameterClient::Join({fleet_->coordinator(), job_, "exchanger"});
    INFO(client.status());
    REQUIRE(client.ok());
    client_ = *std::move(client);
    REQUIRE(client_->Pull().ok());
    REQUIRE(AwaitInSync(*fleet_, job_, static_cast<size_t>(replicas)));
    gradient_.assign(static_cast<size_t>(elements), -1.0f);
  }

  const std::string& job() const { return job_; }

  absl::Duration Once() {
    const absl::Time start = absl::Now();
    const auto answer = client_->Exchange(gradient_);
    INFO(answer.status());
    REQUIRE(answer.ok());
    return absl::Now() - start;
  }

  void For(absl::Duration duration) {
    for (const absl::Time end = absl::Now() + duration; absl::Now() < end;) Once();
  }

 private:
  Fleet* const fleet_;
  std::string job_;
  std::unique_ptr<ParameterClient> client_;
  std::vector<float> gradient_;
};

// ---- The pause ----

// Of the exchanges around the moment in which their primary gets `signal`, the longest; each time
// the server comes back and has its copies again before the next.
std::vector<double> Pauses(int signal, int repetitions) {
  Fleet fleet(Servers(0));
  Exchanger exchanger(&fleet, 2000, 2);
  std::vector<double> pauses;
  while (static_cast<int>(pauses.size()) < repetitions) {
    exchanger.For(absl::Milliseconds(300));
    const std::string victim = fleet.Status(exchanger.job())["placement"][0]["server"];
    fleet.process(victim).Signal(signal);
    absl::Duration longest;
    const absl::Time end = absl::Now() + absl::Seconds(10);
    while (longest < kPause && absl::Now() < end) {
      longest = std::max(longest, exchanger.Once());
    }
    pauses.push_back(Seconds(longest));
    fleet.Kill(victim);
    fleet.StartServer(victim);
    REQUIRE(AwaitInSync(fleet, exchanger.job(), 2));
  }
  std::sort(pauses.begin(), pauses.end());
  return pauses;
}

TEST_CASE("pause") {
  const int repetitions = quick ? 3 : 20;
  for (const auto& [signal, name] : {std::pair(SIGKILL, "kill"), std::pair(SIGSTOP, "stop")}) {
    const std::vector<double> pauses = Pauses(signal, repetitions);
    std::ofstream file(absl::StrCat(into, "/pauses-", name, ".dat"));
    for (size_t i = 0; i < pauses.size(); ++i) {
      file << pauses[i] << " " << static_cast<double>(i + 1) / static_cast<double>(pauses.size())
           << "\n";
    }
    Report("pause repetitions", name, static_cast<double>(pauses.size()), "");
    Report("pause p50", name, Quantile(pauses, 0.5), "s");
    Report("pause max", name, pauses.back(), "s");
  }
}

// ---- The price of copies ----

TEST_CASE("price of an exchange") {
  for (const int replicas : {1, 2, 3}) {
    Fleet fleet(Servers(0));
    Exchanger exchanger(&fleet, 100'000, replicas);
    exchanger.For(absl::Milliseconds(500));
    std::vector<double> times;
    const absl::Time end = absl::Now() + absl::Seconds(quick ? 2 : 8);
    while (absl::Now() < end) times.push_back(1e3 * Seconds(exchanger.Once()));
    std::sort(times.begin(), times.end());
    const std::string of = absl::StrCat("R=", replicas);
    Report("exchange p50", of, Quantile(times, 0.5), "ms");
    Report("exchange p99", of, Quantile(times, 0.99), "ms");
  }
}

// ---- Training ----

struct Training {
  std::string name;
  int replicas = 1;
  bool is_checkpointed = false;  // Every two seconds.
  bool is_disturbed = false;
};

struct Outcome {
  int kills = 0;
  double samples_per_s = 0;
};

// Trains to the end; meanwhile notes its progress and kills a server every ten seconds.
Outcome Train(const Training& training, int epochs) {
  const std::string folder = TestFolder("training");
  Fleet fleet(Servers(kWorkers));
  std::vector<std::string> sets = {
      absl::StrCat("fleet={workers: ", kWorkers, ", servers: ", kServers,
                   ", replicas: ", training.replicas, "}")};
  if (training.is_checkpointed) {
    sets.push_back(absl::StrCat("checkpoint={path: ", folder, ", every_s: 2, keep: 2}"));
  }
  const std::string job =
      fleet.Submit(chaos::MakeTrainingSpec(folder + "/job.yaml", epochs), sets);
  ControlClient control(fleet.coordinator());
  v1::DescribeJobRequest request;
  request.set_job(job);
  std::ofstream progress(absl::StrCat(into, "/progress-", training.name, ".dat"));
  Outcome outcome;
  std::string dead;
  absl::Time next = absl::InfiniteFuture();
  while (true) {
    const auto status = control.DescribeJob(request, absl::Seconds(5));
    INFO(status.status());
    REQUIRE(status.ok());
    if (status->samples() > 0) progress << status->wall_s() << " " << status->samples() << "\n";
    if (status->state() == v1::FINISHED) {
      REQUIRE(status->samples() == status->samples_total());
      outcome.samples_per_s = static_cast<double>(status->samples()) / status->wall_s();
      return outcome;
    }
    INFO(status->reason());
    REQUIRE(status->state() <= v1::EVALUATING);
    if (training.is_disturbed && status->samples() > 0) {
      if (next == absl::InfiniteFuture()) next = absl::Now() + kBetweenKills / 2;
      if (!dead.empty()) {
        fleet.StartServer(dead);
        dead.clear();
        next += kBetweenKills - kDead;
      } else if (absl::Now() >= next) {
        dead = absl::StrCat("server-", outcome.kills++ % kServers);
        fleet.Kill(dead);
        absl::SleepFor(kDead);
        next += kDead;
      }
    }
    absl::SleepFor(absl::Milliseconds(100));
  }
}

TEST_CASE("training") {
  const int short_epochs = quick ? 2 : 8;
  const int long_epochs = quick ? 8 : 20;
  double undisturbed = 0;
  for (const int replicas : {1, 2, 3}) {
    const std::string of = absl::StrCat("R=", replicas);
    const double rate =
        Train({absl::StrCat("undisturbed-", replicas), replicas}, short_epochs).samples_per_s;
    Report("training", of, rate, "samples/s");
    if (replicas == 1) undisturbed = rate;
    Report("training over R=1", of, rate / undisturbed, "");
  }
  const double copies = Train({"copies-calm", 2}, long_epochs).samples_per_s;
  const Outcome killed = Train({"copies", 2, false, true}, long_epochs);
  const double checkpoints = Train({"checkpoints-calm", 1, true}, long_epochs).samples_per_s;
  const Outcome restarted = Train({"checkpoints", 1, true, true}, long_epochs);
  Report("kills", "R=2", killed.kills, "");
  Report("goodput", "R=2", killed.samples_per_s, "samples/s");
  Report("goodput over undisturbed", "R=2", killed.samples_per_s / copies, "");
  Report("kills", "R=1 and checkpoints", restarted.kills, "");
  Report("goodput", "R=1 and checkpoints", restarted.samples_per_s, "samples/s");
  Report("goodput over undisturbed", "R=1 and checkpoints", restarted.samples_per_s / checkpoints,
         "");
}

}  // namespace
}  // namespace paceline

int main(int argc, char** argv) {
  using Catch::clara::Opt;
  Catch::Session session;
  session.cli(session.cli() | Opt(paceline::into, "folder")["--into"]("where results go") |
              Opt(paceline::quick)["--quick"]("fewer and shorter runs, to try it out"));
  const int error = session.applyCommandLine(argc, argv);
  return error != 0 ? error : session.run();
}
